// The table against the protocol, and every row against itself.
#include "common/config/job_key.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/config/key_value.h"
#include "common/config/nearest_key.h"
#include "common/config/spec_field.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using google::protobuf::FieldDescriptor;

std::set<KeyType> TypesOf(const FieldDescriptor* field) {
  const bool is_text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (field->is_repeated()) return {is_text ? KeyType::kPaths : KeyType::kCounts};
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return {KeyType::kBool};
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return {KeyType::kCount};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return {KeyType::kNumber, KeyType::kSeconds};
    case FieldDescriptor::CPPTYPE_ENUM:
      return {KeyType::kChoice};
    default:
      return {KeyType::kName, KeyType::kPath, KeyType::kChoice};
  }
}

TEST(JobKeys, AreTheFieldsOfTheProtocolWithTheirTypesAndInTheirOrder) {
  std::vector<std::string> fields;
  const auto* spec = v1::JobSpec::descriptor();
  const auto add = [&](const std::string& path, const FieldDescriptor* field) {
    fields.push_back(path);
    const JobKey* key = FindJobKey(path);
    ASSERT_NE(key, nullptr) << path << " is in job.proto and not in the table";
    EXPECT_EQ(TypesOf(field).count(key->type), 1u) << path;
  };
  for (int i = 0; i < spec->field_count(); ++i) {
    const auto* section = spec->field(i)->message_type();
    if (section == nullptr) add(spec->field(i)->name(), spec->field(i));
    for (int j = 0; section != nullptr && j < section->field_count(); ++j) {
      add(absl::StrCat(spec->field(i)->name(), ".", section->field(j)->name()), section->field(j));
    }
  }
  std::vector<std::string> keys;
  for (const JobKey& key : JobKeys()) keys.emplace_back(key.path);
  EXPECT_EQ(keys, fields);
}

TEST(JobKeys, HaveADefaultThatTheyAllowAndADocumentation) {
  for (const JobKey& key : JobKeys()) {
    EXPECT_FALSE(key.documentation.empty()) << key.path;
    EXPECT_EQ(key.documentation.find('|'), absl::string_view::npos) << key.path;
    if (key.fallback.kind != KeyDefault::Kind::kConstant) continue;
    EXPECT_EQ(ParseKeyValue(key, std::string(key.fallback.text)).problem, "") << key.path;
  }
}

TEST(JobKeys, NoneIsCalledAsASection) {
  for (const absl::string_view section : JobSections()) {
    EXPECT_EQ(FindJobKey(section), nullptr) << section;
  }
}

TEST(JobKeys, EveryRangeFitsItsField) {
  for (const JobKey& key : JobKeys()) {
    if (key.type != KeyType::kCount) continue;
    v1::JobSpec spec;
    const auto most = static_cast<uint64_t>(key.range.max);
    SetField(&spec, key, most);
    EXPECT_EQ(std::get<uint64_t>(GetField(spec, key)), most) << key.path;
  }
}

TEST(JobKeys, EveryWordOfAChoiceIsTakenAndKept) {
  for (const JobKey& key : JobKeys()) {
    if (key.type != KeyType::kChoice) continue;
    EXPECT_FALSE(ChoicesOf(key).empty()) << key.path;
    for (const std::string& word : ChoicesOf(key)) {
      const ParsedValue parsed = ParseKeyValue(key, word);
      EXPECT_EQ(parsed.problem, "") << key.path;
      v1::JobSpec spec;
      SetField(&spec, key, parsed.value);
      EXPECT_EQ(std::get<std::string>(GetField(spec, key)), word) << key.path;
    }
    EXPECT_NE(ParseKeyValue(key, "unspecified").problem, "") << key.path;
    EXPECT_NE(ParseKeyValue(key, "").problem, "") << key.path;
  }
}

}  // namespace
}  // namespace paci
