#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace paci {

// One value of a YAML document, with everything below it.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  int line = 0;  // of its beginning, from 1; 0: unknown
  int column = 0;
  std::string text;             // of a kScalar
  std::vector<YamlNode> items;  // of a kList its entries; of a kMap key, value, key, value ...
};

// The one document in `text`. Whatever `text` holds, this ends quickly: its size, its nesting and
// the number of its values are limited, and neither aliases (`*name`) nor tags (`!name`) are taken.
// INVALID_ARGUMENT: `job.yaml:3:5: not valid YAML: ...`
absl::StatusOr<YamlNode> ReadYaml(const std::string& text, const std::string& file_name);

inline constexpr size_t kMaxJobFileBytes = 1 << 20;

}  // namespace paci
