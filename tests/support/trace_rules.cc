#include "tests/support/trace_rules.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace paci {
namespace {

using Json = nlohmann::json;
using Row = std::pair<int64_t, int64_t>;

struct Slice {
  int64_t begin;
  int64_t end;
};

// Microseconds with three digits, in nanoseconds.
int64_t Nanos(const Json& microseconds) { return std::llround(microseconds.get<double>() * 1000); }

class Reader {
 public:
  std::string Read(const Json& document) {
    if (!document.is_object()) return "the document is no object";
    const auto events = document.find("traceEvents");
    if (events == document.end() || !events->is_array()) return "there is no list traceEvents";
    for (const Json& event : *events) {
      const std::string broken = ReadEvent(event);
      if (!broken.empty()) return broken + ": " + event.dump();
    }
    for (auto& [row, slices] : slices_) {
      if (named_rows_.count(row) == 0) return "row " + ToText(row) + " has no name";
      std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
      });
      for (size_t i = 1; i < slices.size(); ++i) {
        if (slices[i].begin < slices[i - 1].end) {
          return "slices of row " + ToText(row) + " overlap at " + std::to_string(slices[i].begin);
        }
      }
    }
    return CheckArrows();
  }

 private:
  std::string ReadEvent(const Json& event) {
    if (!event.is_object()) return "an event is no object";
    for (const char* key : {"ph", "name"}) {
      if (!event.contains(key) || !event[key].is_string()) return std::string("no text ") + key;
    }
    for (const char* key : {"pid", "tid"}) {
      if (!event.contains(key) || !event[key].is_number_integer()) {
        return std::string("no whole number ") + key;
      }
    }
    const Row row{event["pid"], event["tid"]};
    const std::string phase = event["ph"];
    if (phase == "M") return ReadMetadata(event, row);
    if (!event.contains("ts") || !event["ts"].is_number()) return "no number ts";
    if (!event.contains("cat") || event["cat"].get<std::string>().empty()) return "no cat";
    const int64_t begin = Nanos(event["ts"]);
    if (begin < 0) return "ts is below 0";
    if (phase == "X") {
      if (!event.contains("dur") || !event["dur"].is_number()) return "no number dur";
      const int64_t duration = Nanos(event["dur"]);
      if (duration < 0) return "dur is below 0";
      slices_[row].push_back({begin, begin + duration});
      return "";
    }
    if (phase == "i") {
      slices_[row];
      const std::set<std::string> scopes = {"g", "p", "t"};
      return scopes.count(event.value("s", "")) > 0 ? "" : "the scope of an instant is g, p or t";
    }
    if (phase != "s" && phase != "f") return "a phase that no trace of ours has";
    if (!event.contains("id")) return "no id";
    auto& ends = phase == "s" ? begins_ : ends_;
    const bool is_new = ends.emplace(event["id"].dump(), Arrow{event["name"], row, begin}).second;
    return is_new ? "" : "a second arrow of the same id";
  }

  std::string ReadMetadata(const Json& event, const Row& row) {
    const std::string name = event["name"];
    if (name != "process_name" && name != "thread_name") return "unknown metadata";
    if (!event.contains("args") || !event["args"].contains("name")) return "a name without a name";
    if (name == "thread_name") named_rows_.insert(row);
    return "";
  }

  std::string CheckArrows() {
    for (const auto& [id, end] : ends_) {
      const auto begin = begins_.find(id);
      if (begin == begins_.end()) return "arrow " + id + " has no beginning";
      if (begin->second.name != end.name) return "arrow " + id + " has two names";
      if (begin->second.at > end.at) return "arrow " + id + " goes back in time";
    }
    for (const auto* arrows : {&begins_, &ends_}) {
      for (const auto& [id, arrow] : *arrows) {
        if (ends_.count(id) == 0) return "arrow " + id + " has no end";
        const std::vector<Slice>& slices = slices_[arrow.row];
        const bool is_on_slice = std::any_of(
            slices.begin(), slices.end(),
            [at = arrow.at](const Slice& slice) { return slice.begin <= at && at <= slice.end; });
        if (!is_on_slice) return "an end of arrow " + id + " is on no slice";
      }
    }
    return "";
  }

  static std::string ToText(const Row& row) {
    return std::to_string(row.first) + "/" + std::to_string(row.second);
  }

  struct Arrow {
    std::string name;
    Row row;
    int64_t at;
  };
  std::map<Row, std::vector<Slice>> slices_;
  std::set<Row> named_rows_;
  std::map<std::string, Arrow> begins_;
  std::map<std::string, Arrow> ends_;
};

}  // namespace

std::string BrokenTraceRule(const Json& document) { return Reader().Read(document); }

}  // namespace paci
