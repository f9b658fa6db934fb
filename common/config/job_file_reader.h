#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/config/yaml_node.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Puts one spec together, and gathers what is wrong on the way. Call Read, then Override for each
// override, then Finish. Single-threaded.
class JobFileReader {
 public:
  explicit JobFileReader(std::string file_name) : file_name_(std::move(file_name)) {}

  // `root` is a kMap, or kNull: an empty file.
  void Read(const YamlNode& root);
  void Override(const std::string& assignment);
  absl::StatusOr<v1::JobSpec> Finish();

 private:
  // Where something was said, for errors and their order.
  struct Place {
    int line;  // of overrides, and of what was not said at all, beyond every line
    int column;
    std::string text;  // "job.yaml:12:7"
  };
  struct Given {
    Place place;
    ParsedValue parsed;
  };
  struct Problem {
    Place place;
    std::string text;
  };

  Place PlaceOf(const YamlNode& node) const;
  Place PlaceOfOverride(const std::string& assignment) const;
  Place PlaceOfMissing(absl::string_view section) const;
  // Of the first of `keys` that was given.
  Place PlaceOfFirst(const std::vector<absl::string_view>& keys) const;
  void Add(Place place, absl::string_view path, absl::string_view problem);

  void ReadTop(const YamlNode& key, const YamlNode& value);
  void ReadSection(const std::string& section, const YamlNode& value);
  void ReadKey(const std::string& section, const YamlNode& key, const YamlNode& value);
  void ReportUnknown(Place place, const std::string& section, const std::string& name);
  // Whether `path` was not given before in the file.
  bool IsFirst(const YamlNode& key, const std::string& path);

  bool IsRequired(const JobKey& key) const;
  bool IsLeftOut(const JobKey& key) const;
  // The file has the section, and it cannot be told what is in it: nothing is said of what is
  // missing there.
  bool IsUnreadable(absl::string_view section) const;
  void FillGiven();
  void FillDefaults(KeyDefault::Kind kind);
  void ApplyRules();
  absl::Status Errors();

  const std::string file_name_;
  v1::JobSpec spec_;
  std::map<std::string, int> lines_;           // of every path in the file
  std::map<std::string, Place> sections_;      // that were given
  std::set<std::string> unreadable_sections_;  // no maps
  std::set<std::string> misspelt_sections_;    // that an unknown one was probably meant to be
  std::map<absl::string_view, Given> given_;   // by a path of JobKeys()
  std::set<absl::string_view> wrong_keys_;
  std::vector<Problem> problems_;
};

}  // namespace paci
