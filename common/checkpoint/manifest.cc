#include "common/checkpoint/manifest.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/checkpoint/mapped_file.h"
#include "common/checksum/checksum.h"

namespace paci {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kFormatVersion = 1;
constexpr int kMaxDepth = 16;
constexpr absl::string_view kAsWritten = "; expected the file as it was written";
constexpr absl::string_view kWeightsSuffix = ".weights.safetensors";
constexpr absl::string_view kOptimizerSuffix = ".optimizer.safetensors";

// "3", "[1,2]": cut where it is long.
std::string ValueText(const Json& value) {
  constexpr size_t kMaxBytes = 60;
  const std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() <= kMaxBytes ? text : absl::StrCat(text.substr(0, kMaxBytes), "...");
}

// Reads the fields of one JSON object; the first that is missing or of another type is the error.
class Fields {
 public:
  // `owner`: whose fields they are, "its ".
  Fields(const Json& json, std::string owner) : json_(json), owner_(std::move(owner)) {}

  uint64_t Count(const char* key) {
    const Json* value = Find(key, "a whole number >= 0", &Json::is_number_unsigned);
    return value == nullptr ? 0 : value->get<uint64_t>();
  }
  std::string Text(const char* key) {
    const Json* value = Find(key, "a string", &Json::is_string);
    return value == nullptr ? "" : value->get<std::string>();
  }
  Json Object(const char* key) {
    const Json* value = Find(key, "an object", &Json::is_object);
    return value == nullptr ? Json::object() : *value;
  }
  Json Array(const char* key) {
    const Json* value = Find(key, "a list", &Json::is_array);
    return value == nullptr ? Json::array() : *value;
  }
  const absl::Status& status() const { return status_; }

 private:
  const Json* Find(const char* key, absl::string_view what, bool (Json::*is)() const) {
    const auto found = json_.find(key);
    if (found != json_.end() && ((*found).*is)()) return &*found;
    status_.Update(absl::InvalidArgumentError(
        absl::StrCat(owner_, key, " is ", found == json_.end() ? "missing" : ValueText(*found),
                     "; expected ", what)));
    return nullptr;
  }

  const Json& json_;
  const std::string owner_;
  absl::Status status_;
};

// `bytes` were read when it was clear that it is none.
absl::Status NotJson(absl::string_view text, size_t bytes) {
  if (bytes > text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it ends after ", text.size(), " bytes, before its JSON does", kAsWritten));
  }
  const absl::string_view before = text.substr(0, bytes == 0 ? 0 : bytes - 1);
  const size_t line_start = before.rfind('\n') + 1;  // 0 if there is none
  return absl::InvalidArgumentError(
      absl::StrCat("it is not JSON at line ", std::count(before.begin(), before.end(), '\n') + 1,
                   ", column ", before.size() - line_start + 1, kAsWritten));
}

// Its depth is bounded: more would take more of the stack than there is.
absl::StatusOr<Json> ParseText(absl::string_view text) {
  bool is_too_deep = false;
  const auto on_event = [&](int depth, Json::parse_event_t /*event*/, Json& /*parsed*/) {
    is_too_deep = is_too_deep || depth > kMaxDepth;
    return !is_too_deep;
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), on_event);
    if (!is_too_deep) return json;
    return absl::InvalidArgumentError(absl::StrCat("its JSON is nested too deeply", kAsWritten));
  } catch (const Json::parse_error& error) {
    if (is_too_deep) {
      return absl::InvalidArgumentError(absl::StrCat("its JSON is nested too deeply", kAsWritten));
    }
    return NotJson(text, error.byte);
  } catch (const Json::exception& error) {
    return NotJson(text, 0);
  }
}

bool IsSpec(const Json& json) {
  v1::JobSpec spec;
  return google::protobuf::util::JsonStringToMessage(json.dump(), &spec).ok();
}

// Alone: what stands at `path` of an object, in one of its own.
Json Alone(std::vector<std::string> path, Json value) {
  for (; !path.empty(); path.pop_back()) value = Json{{path.back(), std::move(value)}};
  return value;
}

// The first key of a part of a spec that makes it none, by its path, with its value.
std::optional<std::pair<std::string, Json>> FindBadKey(const Json& json,
                                                       std::vector<std::string>& path) {
  if (!json.is_object()) {
    if (IsSpec(Alone(path, json))) return std::nullopt;
    return std::make_pair(absl::StrJoin(path, "."), json);
  }
  if (!IsSpec(Alone(path, Json::object()))) return std::make_pair(absl::StrJoin(path, "."), json);
  for (const auto& [key, value] : json.items()) {
    path.push_back(key);
    if (auto bad = FindBadKey(value, path)) return bad;
    path.pop_back();
  }
  return std::nullopt;
}

absl::StatusOr<v1::JobSpec> ParseSpec(const Json& json) {
  v1::JobSpec spec;
  if (google::protobuf::util::JsonStringToMessage(json.dump(), &spec).ok()) return spec;
  std::vector<std::string> path;
  const auto bad = FindBadKey(json, path);
  const std::string what =
      bad ? absl::StrCat("its spec.", bad->first, " is ", ValueText(bad->second),
                         ", which no job spec of this version has")
          : "its spec is no job spec of this version";
  return absl::InvalidArgumentError(
      absl::StrCat(what, "; expected what was written, or a newer version of this program"));
}

absl::StatusOr<Manifest> FromJson(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("it is not a JSON object");
  Fields fields(json, "its ");
  const uint64_t version = fields.Count("format_version");
  if (fields.status().ok() && version != kFormatVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("its format_version is ", version, "; expected ", kFormatVersion));
  }
  Manifest manifest;
  manifest.job_id = fields.Text("job_id");
  manifest.generation = fields.Count("generation");
  manifest.update = fields.Count("update");
  manifest.micro_batches = fields.Count("micro_batches");
  manifest.tokens = fields.Count("tokens");
  const Json spec_json = fields.Object("spec");
  const Json files = fields.Array("files");
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<v1::JobSpec> spec = ParseSpec(spec_json);
  if (!spec.ok()) return spec.status();
  manifest.spec = *std::move(spec);
  for (size_t i = 0; i < files.size(); ++i) {
    Fields file(files[i], absl::StrCat("in its files, entry ", i, ": "));
    manifest.files.emplace_back();
    manifest.files.back().set_path(file.Text("path"));
    manifest.files.back().set_size_bytes(file.Count("size_bytes"));
    manifest.files.back().set_checksum(file.Text("checksum"));
    if (!file.status().ok()) return file.status();
  }
  if (absl::Status checked = CheckFiles(manifest.spec, manifest.files); !checked.ok()) {
    return checked;
  }
  return manifest;
}

}  // namespace

absl::StatusOr<Manifest> ReadManifest(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifestName);
  const auto file = MappedFile::Open(path);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(absl::StrCat("there is no complete checkpoint in ", directory,
                                            ": it has no ", kManifestName));
  }
  if (!file.ok()) return file.status();
  const auto bytes = (*file)->bytes();
  return ParseManifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

absl::StatusOr<std::string> FormatManifest(const Manifest& manifest) {
  std::string spec;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  const auto printed = google::protobuf::util::MessageToJsonString(manifest.spec, &spec, options);
  if (!printed.ok()) return absl::InvalidArgumentError(std::string(printed.message()));
  try {
    nlohmann::ordered_json json;
    json["format_version"] = kFormatVersion;
    json["job_id"] = manifest.job_id;
    json["generation"] = manifest.generation;
    json["update"] = manifest.update;
    json["micro_batches"] = manifest.micro_batches;
    json["tokens"] = manifest.tokens;
    json["spec"] = nlohmann::ordered_json::parse(spec);
    json["files"] = nlohmann::ordered_json::array();
    for (const v1::CheckpointFile& file : manifest.files) {
      json["files"].push_back({{"path", file.path()},
                               {"size_bytes", file.size_bytes()},
                               {"checksum", file.checksum()}});
    }
    return json.dump(2) + "\n";
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view json, absl::string_view path) {
  const absl::StatusOr<Json> parsed = ParseText(json);
  absl::StatusOr<Manifest> manifest =
      parsed.ok() ? FromJson(*parsed) : absl::StatusOr<Manifest>(parsed.status());
  if (manifest.ok()) return manifest;
  return absl::DataLossError(
      absl::StrCat(path, " is no valid manifest: ", manifest.status().message()));
}

std::string UnitFileName(const UnitFile& file) {
  return absl::StrCat("unit-", absl::Dec(file.unit, absl::kZeroPad5),
                      file.kind == UnitFileKind::kWeights ? kWeightsSuffix : kOptimizerSuffix);
}

std::optional<UnitFile> ParseUnitFileName(absl::string_view name) {
  UnitFile file;
  file.kind =
      absl::EndsWith(name, kWeightsSuffix) ? UnitFileKind::kWeights : UnitFileKind::kOptimizer;
  absl::string_view number = absl::StripPrefix(name, "unit-");
  number = number.substr(0, number.find('.'));
  // There is one name a file: what prints differently ("unit-0", "unit-+0001") is none.
  if (!absl::SimpleAtoi(number, &file.unit) || UnitFileName(file) != name) return std::nullopt;
  return file;
}

absl::Status CheckFiles(const v1::JobSpec& spec, absl::Span<const v1::CheckpointFile> files) {
  const uint64_t units = uint64_t{spec.model().layers()} + 2;
  std::set<std::string> names;
  std::set<uint32_t> with_weights;
  for (const v1::CheckpointFile& file : files) {
    const std::optional<UnitFile> unit = ParseUnitFileName(file.path());
    if (!unit || unit->unit >= units) {
      return absl::InvalidArgumentError(
          absl::StrCat("it names the file \"", file.path(), "\"; expected ",
                       UnitFileName({0, UnitFileKind::kWeights}), " to ",
                       UnitFileName({static_cast<uint32_t>(units - 1), UnitFileKind::kOptimizer}),
                       ", in its own folder"));
    }
    if (!names.insert(file.path()).second) {
      return absl::InvalidArgumentError(absl::StrCat("it names ", file.path(), " twice"));
    }
    if (!IsChecksumText(file.checksum())) {
      return absl::InvalidArgumentError(absl::StrCat("the checksum of ", file.path(), " is \"",
                                                     file.checksum(),
                                                     "\"; expected xxh3: and 16 hex digits"));
    }
    if (unit->kind == UnitFileKind::kWeights) with_weights.insert(unit->unit);
  }
  for (uint64_t unit = 0; unit < units; ++unit) {
    if (with_weights.count(static_cast<uint32_t>(unit)) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("unit ", unit, " of 0..", units - 1, " has no weights"));
  }
  return absl::OkStatus();
}

}  // namespace paci
