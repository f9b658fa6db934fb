#include "common/checkpoint/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

using Json = nlohmann::json;

struct DtypeRow {
  Dtype dtype;
  absl::string_view name;
  uint64_t bytes;
};
constexpr DtypeRow kDtypes[] = {{Dtype::kF64, "F64", 8},
                                {Dtype::kF32, "F32", 4},
                                {Dtype::kBF16, "BF16", 2},
                                {Dtype::kF16, "F16", 2},
                                {Dtype::kI64, "I64", 8}};
constexpr absl::string_view kMetadata = "__metadata__";
// {"tensor": {"shape": [1]}}: no value of a header is nested deeper.
constexpr int kMaxDepth = 2;

const DtypeRow& RowOf(Dtype dtype) { return kDtypes[static_cast<int>(dtype)]; }

absl::Status Broken(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tensor \"", name, "\": ", what));
}

// The JSON parser keeps the last of two equal keys; the format forbids them. Its memory is bounded
// by the depth that a header can have.
absl::StatusOr<Json> ParseStrictly(absl::string_view text) {
  std::string problem;
  std::vector<std::set<std::string>> keys(kMaxDepth + 2);  // [d]: of the open object at depth d
  const auto on_event = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool is_start =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (depth > kMaxDepth && is_start) {
      problem = "is nested too deeply";
      return false;
    }
    if (event == Json::parse_event_t::object_start) keys[depth + 1].clear();
    if (event == Json::parse_event_t::key && depth <= kMaxDepth + 1 &&
        !keys[depth].insert(parsed.get<std::string>()).second) {
      problem = absl::StrCat("has the key ", parsed.dump(), " twice");
    }
    return true;
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), on_event);
    if (problem.empty() && !json.is_object()) problem = "is not a JSON object";
    if (problem.empty()) return json;
  } catch (const Json::parse_error& error) {
    problem = absl::StrCat("is not JSON at its byte ", error.byte);
  } catch (const Json::exception& error) {
    problem = absl::StrCat("is not JSON: ", error.what());
  }
  return absl::InvalidArgumentError(absl::StrCat("its header ", problem));
}

std::optional<uint64_t> Count(const Json& json) {
  if (!json.is_number_unsigned()) return std::nullopt;
  const uint64_t value = json.get<uint64_t>();
  if (value > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
  return value;
}

// A field of a tensor that is a list of counts.
absl::StatusOr<std::vector<uint64_t>> Counts(absl::string_view name, const Json& tensor,
                                             const char* field) {
  const auto found = tensor.find(field);
  if (found == tensor.end() || !found->is_array()) {
    return Broken(name, absl::StrCat("its ", field, " is not a list"));
  }
  std::vector<uint64_t> counts;
  for (const Json& item : *found) {
    const std::optional<uint64_t> count = Count(item);
    if (!count) return Broken(name, absl::StrCat("its ", field, " is not of whole numbers >= 0"));
    counts.push_back(*count);
  }
  return counts;
}

absl::StatusOr<TensorInfo> ParseTensor(const std::string& name, const Json& json,
                                       uint64_t data_bytes) {
  TensorInfo info;
  info.name = name;
  if (!json.is_object()) return Broken(name, "it is not described by an object");
  const auto dtype = json.find("dtype");
  const auto row = std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const DtypeRow& r) {
    return dtype != json.end() && dtype->is_string() && dtype->get<std::string>() == r.name;
  });
  if (row == std::end(kDtypes)) {
    return Broken(name, "its dtype is none of F64, F32, BF16, F16, I64");
  }
  info.dtype = row->dtype;
  const auto shape = Counts(name, json, "shape");
  if (!shape.ok()) return shape.status();
  info.shape.assign(shape->begin(), shape->end());
  const auto offsets = Counts(name, json, "data_offsets");
  if (!offsets.ok()) return offsets.status();
  if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    return Broken(name, "its data_offsets are not begin and end");
  }
  std::tie(info.begin, info.end) = std::tie((*offsets)[0], (*offsets)[1]);
  if (info.end > data_bytes) {
    return Broken(
        name, absl::StrCat("it ends at byte ", info.end, " of the data, which has ", data_bytes));
  }
  if (TensorBytes(info.dtype, info.shape) != info.end - info.begin) {
    return Broken(name, absl::StrCat("a shape of [", absl::StrJoin(info.shape, ","), "] ",
                                     row->name, " is not ", info.end - info.begin, " bytes"));
  }
  return info;
}

absl::StatusOr<SafetensorsMetadata> ParseMetadata(const Json& json) {
  SafetensorsMetadata metadata;
  if (!json.is_object()) return absl::InvalidArgumentError("its __metadata__ is not an object");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("its __metadata__ \"", key, "\" is not a string"));
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

absl::Status CheckCoverage(absl::Span<const TensorInfo> tensors, uint64_t data_bytes) {
  uint64_t covered = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != covered) {
      return Broken(tensor.name,
                    absl::StrCat("it begins at byte ", tensor.begin, " of the data; expected ",
                                 covered, ", where the one before it ends"));
    }
    covered = tensor.end;
  }
  if (covered == data_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(data_bytes - covered, " bytes at its end belong to no tensor"));
}

}  // namespace

absl::string_view DtypeName(Dtype dtype) { return RowOf(dtype).name; }
uint64_t DtypeBytes(Dtype dtype) { return RowOf(dtype).bytes; }

std::optional<uint64_t> TensorBytes(Dtype dtype, absl::Span<const int64_t> shape) {
  int64_t bytes = static_cast<int64_t>(DtypeBytes(dtype));
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return static_cast<uint64_t>(bytes);
}

absl::StatusOr<std::string> FormatSafetensorsHeader(const SafetensorsHeader& header) {
  Json json = Json::object();
  if (!header.metadata.empty()) json[std::string(kMetadata)] = header.metadata;
  for (const TensorInfo& tensor : header.tensors) {
    json[tensor.name] = {{"dtype", std::string(DtypeName(tensor.dtype))},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.begin, tensor.end}}};
  }
  try {
    std::string text = json.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view text,
                                                         uint64_t data_bytes) {
  if (text.empty() || text.front() != '{') {
    return absl::InvalidArgumentError("its header does not begin with {");
  }
  const absl::StatusOr<Json> json = ParseStrictly(text);
  if (!json.ok()) return json.status();
  SafetensorsHeader header;
  for (const auto& [name, value] : json->items()) {
    if (name == kMetadata) {
      auto metadata = ParseMetadata(value);
      if (!metadata.ok()) return metadata.status();
      header.metadata = *std::move(metadata);
      continue;
    }
    auto tensor = ParseTensor(name, value, data_bytes);
    if (!tensor.ok()) return tensor.status();
    header.tensors.push_back(*std::move(tensor));
  }
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
            });
  if (absl::Status covered = CheckCoverage(header.tensors, data_bytes); !covered.ok()) {
    return covered;
  }
  return header;
}

}  // namespace paci
