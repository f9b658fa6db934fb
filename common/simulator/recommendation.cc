#include "common/simulator/recommendation.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace paci {
namespace {

// The best that fits, `without` left out.
std::optional<size_t> Best(const std::vector<Candidate>& candidates,
                           std::optional<size_t> without) {
  const auto takes_part = [&](size_t i) { return candidates[i].fits && i != without; };
  double fastest = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (takes_part(i)) fastest = std::max(fastest, candidates[i].tokens_per_second);
  }
  const auto order = [&](size_t i) {
    const Candidate& candidate = candidates[i];
    return std::make_tuple(candidate.lag_mean, candidate.memory_bytes,
                           -candidate.tokens_per_second);
  };
  std::optional<size_t> best;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!takes_part(i) || candidates[i].tokens_per_second < (1 - kAsFast) * fastest) continue;
    if (!best || order(i) < order(*best)) best = i;
  }
  return best;
}

std::string Comparison(const Candidate& best, const Candidate& next) {
  const double gain = best.tokens_per_second / next.tokens_per_second - 1;
  if (gain > kAsFast / (1 - kAsFast)) {
    return absl::StrFormat("is %.0f%% faster than %s", gain * 100, next.name);
  }
  const std::string as_fast = absl::StrFormat("is within %.0f%% of %s", kAsFast * 100, next.name);
  if (best.lag_mean < next.lag_mean) {
    return absl::StrFormat("%s and has less lag, %.2f instead of %.2f on average", as_fast,
                           best.lag_mean, next.lag_mean);
  }
  if (best.memory_bytes < next.memory_bytes) {
    return absl::StrFormat("%s, has no more lag and needs %.0f%% less memory", as_fast,
                           100 * (1 - static_cast<double>(best.memory_bytes) /
                                          static_cast<double>(next.memory_bytes)));
  }
  return absl::StrCat("is at least as good as ", next.name, " in speed, lag and memory");
}

}  // namespace

Recommendation Recommend(const std::vector<Candidate>& candidates) {
  const std::optional<size_t> best = Best(candidates, std::nullopt);
  if (!best) return {std::nullopt, "no choice fits into the device's memory"};
  const std::optional<size_t> next = Best(candidates, best);
  const std::string& name = candidates[*best].name;
  if (!next) {
    const absl::string_view fits = candidates.size() > 1 ? " that fits" : "";
    return {best, absl::StrCat(name, " is the only choice", fits)};
  }
  return {best, absl::StrCat(name, " ", Comparison(candidates[*best], candidates[*next]))};
}

}  // namespace paci
