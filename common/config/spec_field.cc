#include "common/config/spec_field.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paci {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Null for a key beside the sections.
const FieldDescriptor* SectionField(absl::string_view section) {
  return v1::JobSpec::descriptor()->FindFieldByName(std::string(section));
}

// The table's paths are the proto's; a test holds them to it.
const FieldDescriptor* Field(const JobKey& key) {
  const Descriptor* holder = key.section().empty() ? v1::JobSpec::descriptor()
                                                   : SectionField(key.section())->message_type();
  return holder->FindFieldByName(std::string(key.name()));
}

// What all words of an enum begin with: "ORDER_" of ORDER_UNSPECIFIED.
absl::string_view Prefix(const EnumDescriptor* type) {
  return absl::StripSuffix(type->FindValueByNumber(0)->name(), "UNSPECIFIED");
}

std::string WordOf(const EnumDescriptor* type, int number) {
  const EnumValueDescriptor* value = type->FindValueByNumber(number);
  if (value == nullptr) return absl::StrCat(number);
  return absl::AsciiStrToLower(absl::StripPrefix(value->name(), Prefix(type)));
}

int NumberOf(const EnumDescriptor* type, const std::string& word) {
  return type->FindValueByName(absl::StrCat(Prefix(type), absl::AsciiStrToUpper(word)))->number();
}

std::vector<uint64_t> List(const Message& holder, const FieldDescriptor* field) {
  const Reflection* reflection = holder.GetReflection();
  std::vector<uint64_t> items;
  for (int i = 0; i < reflection->FieldSize(holder, field); ++i) {
    items.push_back(reflection->GetRepeatedUInt32(holder, field, i));
  }
  return items;
}

void SetList(Message* holder, const FieldDescriptor* field, const std::vector<uint64_t>& items) {
  const Reflection* reflection = holder->GetReflection();
  reflection->ClearField(holder, field);
  for (const uint64_t item : items) {
    reflection->AddUInt32(holder, field, static_cast<uint32_t>(item));
  }
}

std::vector<std::string> Texts(const Message& holder, const FieldDescriptor* field) {
  const Reflection* reflection = holder.GetReflection();
  std::vector<std::string> items;
  for (int i = 0; i < reflection->FieldSize(holder, field); ++i) {
    items.push_back(reflection->GetRepeatedString(holder, field, i));
  }
  return items;
}

void SetTexts(Message* holder, const FieldDescriptor* field,
              const std::vector<std::string>& items) {
  const Reflection* reflection = holder->GetReflection();
  reflection->ClearField(holder, field);
  for (const std::string& item : items) reflection->AddString(holder, field, item);
}

}  // namespace

KeyValue GetField(const v1::JobSpec& spec, const JobKey& key) {
  const Message& holder = key.section().empty()
                              ? static_cast<const Message&>(spec)
                              : spec.GetReflection()->GetMessage(spec, SectionField(key.section()));
  const FieldDescriptor* field = Field(key);
  const Reflection* reflection = holder.GetReflection();
  const bool is_text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (field->is_repeated() && is_text) return Texts(holder, field);
  if (field->is_repeated()) return List(holder, field);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(holder, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return uint64_t{reflection->GetUInt32(holder, field)};
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->GetUInt64(holder, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->GetDouble(holder, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return WordOf(field->enum_type(), reflection->GetEnumValue(holder, field));
    default:
      return reflection->GetString(holder, field);
  }
}

void SetField(v1::JobSpec* spec, const JobKey& key, const KeyValue& value) {
  Message* holder = key.section().empty()
                        ? static_cast<Message*>(spec)
                        : spec->GetReflection()->MutableMessage(spec, SectionField(key.section()));
  const FieldDescriptor* field = Field(key);
  const Reflection* reflection = holder->GetReflection();
  if (const auto* items = std::get_if<std::vector<std::string>>(&value)) {
    return SetTexts(holder, field, *items);
  }
  if (field->is_repeated()) return SetList(holder, field, std::get<std::vector<uint64_t>>(value));
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(holder, field, std::get<bool>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(holder, field, static_cast<uint32_t>(std::get<uint64_t>(value)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(holder, field, std::get<uint64_t>(value));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(holder, field, std::get<double>(value));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(holder, field,
                                      NumberOf(field->enum_type(), std::get<std::string>(value)));
    default:
      return reflection->SetString(holder, field, std::get<std::string>(value));
  }
}

bool HasSection(const v1::JobSpec& spec, absl::string_view section) {
  return section.empty() || spec.GetReflection()->HasField(spec, SectionField(section));
}

std::vector<std::string> EnumWords(const JobKey& key) {
  const EnumDescriptor* type = Field(key)->enum_type();
  std::vector<std::string> words;
  for (int i = 0; type != nullptr && i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) words.push_back(WordOf(type, type->value(i)->number()));
  }
  return words;
}

}  // namespace paci
