#include "common/config/job_file_reader.h"

#include <algorithm>
#include <climits>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/config/job_rules.h"
#include "common/config/nearest_key.h"
#include "common/config/spec_field.h"

namespace paci {
namespace {

constexpr int kLineOfMissing = INT_MAX - 1;
constexpr int kLineOfOverride = INT_MAX;
constexpr size_t kMaxProblems = 50;

bool IsSection(absl::string_view name) { return absl::c_linear_search(JobSections(), name); }

const JobKey& FirstKeyOf(absl::string_view section) {
  const absl::Span<const JobKey> keys = JobKeys();
  return *absl::c_find_if(keys, [&](const JobKey& key) { return key.section() == section; });
}

// A name from the file, fit for one line of an error.
std::string Shown(const std::string& name) {
  const std::string quoted = Quote(name);
  return quoted == absl::StrCat("\"", name, "\"") ? name : quoted;
}

std::string PathOf(const std::string& section, const std::string& name) {
  return section.empty() ? name : absl::StrCat(section, ".", name);
}

ParsedValue ParseList(const JobKey& key, const YamlNode& node) {
  std::vector<std::string> items;
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::kScalar) {
      const absl::string_view what = key.type == KeyType::kPaths ? "path" : "number";
      return {{}, absl::StrCat("has an entry that is no ", what, "; expected ", Expected(key))};
    }
    items.push_back(item.text);
  }
  return ParseKeyList(key, items);
}

ParsedValue ParseNode(const JobKey& key, const YamlNode& node) {
  const bool takes_paths = key.type == KeyType::kPaths;
  const bool takes_list = key.type == KeyType::kCounts || takes_paths;
  const auto wrong = [&](absl::string_view what) {
    return ParsedValue{{}, absl::StrCat(what, "; expected ", Expected(key))};
  };
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      if (key.type == KeyType::kPath || takes_paths) return ParseKeyValue(key, "");
      return wrong("has no value");
    case YamlNode::Kind::kScalar:
      // Not what --set takes it for: brackets would be of the path.
      if (takes_paths)
        return node.text.empty() ? ParseKeyList(key, {}) : ParseKeyList(key, {node.text});
      return takes_list ? wrong(absl::StrCat(Quote(node.text), " is not a list"))
                        : ParseKeyValue(key, node.text);
    case YamlNode::Kind::kList:
      return takes_list ? ParseList(key, node) : wrong("is a list");
    case YamlNode::Kind::kMap:
      return wrong("has keys of its own below it");
  }
  return {};
}

// Said in so many words: as if the key were not there.
bool IsAuto(const JobKey& key, const std::string& text) {
  return key.fallback.kind == KeyDefault::Kind::kDerived && text == "auto";
}

}  // namespace

JobFileReader::Place JobFileReader::PlaceOf(const YamlNode& node) const {
  return {node.line, node.column, absl::StrCat(file_name_, ":", node.line, ":", node.column)};
}

JobFileReader::Place JobFileReader::PlaceOfOverride(const std::string& assignment) const {
  return {kLineOfOverride, 0, absl::StrCat("--set ", Shown(assignment))};
}

JobFileReader::Place JobFileReader::PlaceOfMissing(absl::string_view section) const {
  const auto found = sections_.find(std::string(section));
  return found != sections_.end() ? found->second : Place{kLineOfMissing, 0, file_name_};
}

JobFileReader::Place JobFileReader::PlaceOfFirst(const std::vector<absl::string_view>& keys) const {
  for (const absl::string_view key : keys) {
    const auto found = given_.find(key);
    if (found != given_.end()) return found->second.place;
  }
  return {kLineOfMissing, 0, file_name_};
}

void JobFileReader::Add(Place place, absl::string_view path, absl::string_view problem) {
  std::string text = absl::StrCat(place.text, ": ", path, path.empty() ? "" : ": ", problem);
  problems_.push_back({std::move(place), std::move(text)});
}

void JobFileReader::Read(const YamlNode& root) {
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) ReadTop(root.items[i], root.items[i + 1]);
}

void JobFileReader::ReadTop(const YamlNode& key, const YamlNode& value) {
  if (key.kind != YamlNode::Kind::kScalar || !IsSection(key.text)) return ReadKey("", key, value);
  if (!IsFirst(key, key.text)) return;
  if (IsOptionalSection(key.text) && value.kind == YamlNode::Kind::kNull) return;
  sections_.insert({key.text, PlaceOf(key)});
  ReadSection(key.text, value);
}

void JobFileReader::ReadSection(const std::string& section, const YamlNode& value) {
  if (value.kind == YamlNode::Kind::kNull) return;
  if (value.kind != YamlNode::Kind::kMap) {
    unreadable_sections_.insert(section);
    return Add(
        PlaceOf(value), section,
        absl::StrCat("is a section; expected keys below it, such as ", FirstKeyOf(section).name()));
  }
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    ReadKey(section, value.items[i], value.items[i + 1]);
  }
}

void JobFileReader::ReadKey(const std::string& section, const YamlNode& key,
                            const YamlNode& value) {
  if (key.kind != YamlNode::Kind::kScalar) {
    return Add(PlaceOf(key), section, "a key that is no word; expected a name");
  }
  const bool is_path = key.text.find('.') != std::string::npos;
  const std::string path = PathOf(section, key.text);
  if (is_path && FindJobKey(path) != nullptr) {
    const JobKey& meant = *FindJobKey(path);
    return Add(PlaceOf(key), path,
               absl::StrCat("a path is for --set; expected \"", meant.section(),
                            ":\" and below it \"", meant.name(), ":\""));
  }
  const JobKey* known = FindJobKey(path);
  if (known == nullptr) return ReportUnknown(PlaceOf(key), section, key.text);
  if (!IsFirst(key, path)) return;
  if (value.kind == YamlNode::Kind::kScalar && IsAuto(*known, value.text)) return;
  // What is not there has no place of its own.
  const bool is_null = value.kind == YamlNode::Kind::kNull;
  given_[known->path] = {PlaceOf(is_null ? key : value), ParseNode(*known, value)};
}

void JobFileReader::ReportUnknown(Place place, const std::string& section,
                                  const std::string& name) {
  const std::string nearest = NearestKey(section, name);
  if (section.empty() && IsSection(nearest)) misspelt_sections_.insert(nearest);
  Add(std::move(place), Shown(PathOf(section, name)),
      absl::StrCat("unknown key; ", SuggestKey(section, name)));
}

bool JobFileReader::IsFirst(const YamlNode& key, const std::string& path) {
  const auto [before, is_new] = lines_.insert({path, key.line});
  if (is_new) return true;
  Add(PlaceOf(key), path,
      absl::StrCat("given twice, first on line ", before->second, "; expected it once"));
  return false;
}

void JobFileReader::Override(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    return Add(PlaceOfOverride(assignment), "", "has no \"=\"; expected key=value");
  }
  const std::string path = assignment.substr(0, equals);
  const JobKey* key = FindJobKey(path);
  if (IsSection(path)) {
    return Add(PlaceOfOverride(assignment), "",
               absl::StrCat(path, " is a section; expected one of its keys, such as ",
                            FirstKeyOf(path).path, "=VALUE"));
  }
  if (key == nullptr) {
    const size_t dot = path.find('.');
    const std::string section = dot == std::string::npos ? "" : path.substr(0, dot);
    const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
    const std::string known_section = IsSection(section) ? section : "";
    return Add(PlaceOfOverride(assignment), Shown(path),
               absl::StrCat("unknown key; ", SuggestKey(known_section, name)));
  }
  const Place place = PlaceOfOverride(assignment);
  if (IsOptionalSection(key->section())) sections_.insert({std::string(key->section()), place});
  const std::string text = assignment.substr(equals + 1);
  if (IsAuto(*key, text)) {
    given_.erase(key->path);
    return;
  }
  given_[key->path] = {place, ParseKeyValue(*key, text)};
}

bool JobFileReader::IsLeftOut(const JobKey& key) const {
  return IsOptionalSection(key.section()) && sections_.count(std::string(key.section())) == 0;
}

bool JobFileReader::IsRequired(const JobKey& key) const {
  if (key.fallback.kind == KeyDefault::Kind::kRequired) return true;
  return key.fallback.kind == KeyDefault::Kind::kRequiredUnlessEmulated &&
         sections_.count("emulation") == 0;
}

bool JobFileReader::IsUnreadable(absl::string_view section) const {
  const std::string name(section);
  return unreadable_sections_.count(name) > 0 ||
         (misspelt_sections_.count(name) > 0 && sections_.count(name) == 0);
}

void JobFileReader::FillGiven() {
  for (const JobKey& key : JobKeys()) {
    if (IsLeftOut(key)) continue;
    const auto found = given_.find(key.path);
    if (found == given_.end()) {
      const bool is_unreadable = IsUnreadable(key.section());
      if (is_unreadable || IsRequired(key)) wrong_keys_.insert(key.path);
      if (is_unreadable || !IsRequired(key)) continue;
      Add(PlaceOfMissing(key.section()), key.path,
          absl::StrCat("missing; expected ", Expected(key)));
    } else if (!found->second.parsed.problem.empty()) {
      wrong_keys_.insert(key.path);
      Add(found->second.place, key.path, found->second.parsed.problem);
    } else {
      SetField(&spec_, key, found->second.parsed.value);
    }
  }
}

void JobFileReader::FillDefaults(KeyDefault::Kind kind) {
  for (const JobKey& key : JobKeys()) {
    if (key.fallback.kind != kind || IsLeftOut(key) || given_.count(key.path) > 0) continue;
    const std::string text = kind == KeyDefault::Kind::kDerived ? key.fallback.derive(spec_)
                                                                : std::string(key.fallback.text);
    SetField(&spec_, key, ParseKeyValue(key, text).value);
  }
}

void JobFileReader::ApplyRules() {
  for (const JobProblem& problem : BrokenRules(spec_, wrong_keys_)) {
    Add(PlaceOfFirst(problem.rule->keys), problem.rule->keys[0], problem.text);
  }
}

absl::Status JobFileReader::Errors() {
  const auto is_before = [](const Problem& a, const Problem& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
  };
  absl::c_stable_sort(problems_, is_before);
  std::string text;
  for (size_t i = 0; i < std::min(problems_.size(), kMaxProblems); ++i) {
    absl::StrAppend(&text, i > 0 ? "\n" : "", problems_[i].text);
  }
  if (problems_.size() > kMaxProblems) {
    absl::StrAppend(&text, "\n", file_name_, ": and ", problems_.size() - kMaxProblems, " more");
  }
  return absl::InvalidArgumentError(text);
}

absl::StatusOr<v1::JobSpec> JobFileReader::Finish() {
  FillGiven();
  FillDefaults(KeyDefault::Kind::kConstant);
  FillDefaults(KeyDefault::Kind::kRequiredUnlessEmulated);
  FillDefaults(KeyDefault::Kind::kDerived);
  ApplyRules();
  if (!problems_.empty()) return Errors();
  return std::move(spec_);
}

}  // namespace paci
