#include "common/text/short_duration.h"

namespace paci {
namespace {

// To what a duration below `limit` is rounded.
struct Step {
  absl::Duration limit;
  absl::Duration step;
};

absl::Duration StepOf(absl::Duration duration) {
  for (const Step& row :
       {Step{absl::Milliseconds(10), absl::Microseconds(100)},
        Step{absl::Seconds(1), absl::Milliseconds(1)},
        Step{absl::Seconds(10), absl::Milliseconds(100)}, Step{absl::Hours(1), absl::Seconds(1)}}) {
    if (duration < row.limit) return row.step;
  }
  return absl::Minutes(1);
}

}  // namespace

std::string ShortDuration(absl::Duration duration) {
  const absl::Duration step = StepOf(absl::AbsDuration(duration));
  return absl::FormatDuration(absl::Floor(duration + step / 2, step));
}

}  // namespace paci
