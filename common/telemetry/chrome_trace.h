#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

// A trace in Chrome's trace event format (chrome://tracing, ui.perfetto.dev): a JSON object whose
// "traceEvents" are the events in the order in which they were added. Times are nanoseconds after
// an instant of the caller's choice, and are written as microseconds without rounding.
// Single-threaded.
class ChromeTrace {
 public:
  struct Arg {
    absl::string_view name;
    std::variant<int64_t, std::string> value;
  };
  // A row of the viewer.
  struct Row {
    int64_t process = 0;
    int64_t thread = 0;
  };

  void NameProcess(int64_t process, absl::string_view name);
  void NameRow(Row row, absl::string_view name);
  // Slices of a row nest or do not touch. REQUIRES: duration_nanos >= 0.
  void AddSlice(Row row, absl::string_view name, absl::string_view category, int64_t begin_nanos,
                int64_t duration_nanos, const std::vector<Arg>& args = {});
  void AddInstant(Row row, absl::string_view name, absl::string_view category, int64_t nanos);
  // An arrow from the slice that is there on one row to that on another. No two arrows of a trace
  // have the same `id`. REQUIRES: from_nanos <= to_nanos.
  void AddArrow(int64_t id, absl::string_view name, Row from, int64_t from_nanos, Row to,
                int64_t to_nanos);
  // What the viewer shows about the whole trace.
  void AddMetadata(absl::string_view name, absl::string_view value);

  std::string ToJson() const;

 private:
  // An event up to what follows its place.
  void Begin(absl::string_view phase, absl::string_view name, absl::string_view category, Row row);
  void Name(absl::string_view kind, Row row, absl::string_view name);

  std::string events_;
  std::string metadata_;
};

}  // namespace paci
