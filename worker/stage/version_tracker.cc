#include "worker/stage/version_tracker.h"

#include <algorithm>
#include <cmath>

namespace paci {
namespace {

double RelativeChange(const std::vector<float>& from, const std::vector<float>& to) {
  double change = 0;
  double size = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const double difference = static_cast<double>(to[i]) - from[i];
    change += difference * difference;
    size += static_cast<double>(from[i]) * from[i];
  }
  return size > 0 ? std::sqrt(change / size) : 0;
}

}  // namespace

VersionTracker::VersionTracker(absl::Span<const float> sample, int64_t update) {
  for (const int64_t version : {update - 1, update}) {
    if (version >= 0) versions_.push_back({version, {sample.begin(), sample.end()}});
  }
}

void VersionTracker::OnForward(int64_t version) { forward_updates_.push_back(version); }

void VersionTracker::OnStep(absl::Span<const float> sample) {
  versions_.push_back({versions_.back().update + 1, {sample.begin(), sample.end()}});
  DropUnused();
}

VersionTracker::Measured VersionTracker::OnBackward() {
  const int64_t forward_update = forward_updates_.front();
  forward_updates_.pop_front();
  const Version& now = versions_.back();
  const Version& then = versions_[forward_update - versions_.front().update];
  const Measured measured{now.update - forward_update, RelativeChange(then.sample, now.sample)};
  DropUnused();
  return measured;
}

void VersionTracker::DropUnused() {
  // A double buffer's next forward may still use the one before the present.
  const int64_t previous = versions_.back().update - 1;
  const int64_t oldest =
      forward_updates_.empty() ? previous : std::min(previous, forward_updates_.front());
  while (versions_.front().update < oldest) versions_.pop_front();
}

}  // namespace paci
