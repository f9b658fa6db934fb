#include "common/config/job_file.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/config/job_file_reader.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/config/read_file.h"
#include "common/config/spec_field.h"
#include "common/config/yaml_node.h"

namespace paci {

absl::StatusOr<v1::JobSpec> ParseJobFile(const std::string& text, const std::string& file_name,
                                         const std::vector<std::string>& overrides) {
  const absl::StatusOr<YamlNode> root = ReadYaml(text, file_name);
  if (!root.ok()) return root.status();
  if (root->kind != YamlNode::Kind::kMap && root->kind != YamlNode::Kind::kNull) {
    return absl::InvalidArgumentError(
        absl::StrCat(file_name, ":", root->line, ":", root->column,
                     ": not a job file; expected keys and sections, such as \"name: demo\""));
  }
  JobFileReader reader(file_name);
  reader.Read(*root);
  for (const std::string& assignment : overrides) reader.Override(assignment);
  return reader.Finish();
}

absl::StatusOr<v1::JobSpec> LoadJobFile(const std::string& path,
                                        const std::vector<std::string>& overrides) {
  // One byte more than may be, so that a file too large is seen without reading all of it.
  const absl::StatusOr<std::string> text =
      ReadFile(path, kMaxJobFileBytes + 1, absl::StrCat("job file ", path, " cannot be read"));
  if (!text.ok()) return text.status();
  return ParseJobFile(*text, path, overrides);
}

std::string ToYaml(const v1::JobSpec& spec) {
  std::string yaml;
  absl::string_view section;
  for (const JobKey& key : JobKeys()) {
    if (IsOptionalSection(key.section()) && !HasSection(spec, key.section())) continue;
    if (key.section() != section) {
      section = key.section();
      absl::StrAppend(&yaml, section, ":\n");
    }
    absl::StrAppend(&yaml, section.empty() ? "" : "  ", key.name(), ": ",
                    PrintKeyValue(key, GetField(spec, key)), "\n");
  }
  return yaml;
}

}  // namespace paci
