#include "common/simulator/gantt.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace paci {
namespace {

// In lower case of every chunk but a stage's first.
constexpr absl::string_view kLetters = "FBWSECfbe";
constexpr int64_t kMinColumns = 40;

// Seconds of each letter within one column.
using Shares = std::array<double, kLetters.size()>;

std::string Line(const SimulatedStage& stage, double end_seconds, int64_t columns) {
  const double width = end_seconds / static_cast<double>(columns);
  std::vector<Shares> shares(columns, Shares{});
  for (const TimedAction& timed : stage.trace) {
    const auto kind = static_cast<char>(timed.action.kind);
    const size_t letter = kLetters.find(timed.action.chunk == 0 ? kind : absl::ascii_tolower(kind));
    const auto first = static_cast<int64_t>(timed.start_seconds / width);
    const auto last = std::min(columns - 1, static_cast<int64_t>(timed.end_seconds / width));
    for (int64_t c = first; c <= last; ++c) {
      const double from = std::max(timed.start_seconds, static_cast<double>(c) * width);
      const double to = std::min(timed.end_seconds, static_cast<double>(c + 1) * width);
      shares[c][letter] += std::max(0.0, to - from);
    }
  }
  std::string line;
  for (const Shares& seconds : shares) {
    double idle = width;
    for (const double share : seconds) idle -= share;
    const auto most = std::max_element(seconds.begin(), seconds.end());
    line += *most >= idle ? kLetters[most - seconds.begin()] : '.';
  }
  return line;
}

std::string TimeText(double seconds) {
  if (seconds < 1e-3) return absl::StrFormat("%.3g us", seconds * 1e6);
  if (seconds < 1) return absl::StrFormat("%.3g ms", seconds * 1e3);
  return absl::StrFormat("%.4g s", seconds);
}

}  // namespace

std::string Gantt(const Simulation& run, int64_t updates, int64_t columns) {
  const auto known = static_cast<int64_t>(run.update_seconds.size());
  const double end = run.update_seconds[std::min(updates, known) - 1];
  const std::string last = absl::StrCat("stage ", run.stages.size() - 1, " ");
  const auto margin = static_cast<int64_t>(last.size());
  const int64_t width = std::max(columns, kMinColumns) - margin;
  const std::string end_text = TimeText(end);
  std::string out(margin, ' ');
  absl::StrAppend(&out, "0", std::string(width - 1 - static_cast<int64_t>(end_text.size()), ' '),
                  end_text, "\n");
  for (size_t i = 0; i < run.stages.size(); ++i) {
    const std::string name = absl::StrCat("stage ", i);
    absl::StrAppend(&out, name, std::string(margin - name.size(), ' '),
                    end > 0 ? Line(run.stages[i], end, width) : "", "\n");
  }
  return out;
}

}  // namespace paci
