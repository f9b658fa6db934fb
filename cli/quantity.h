#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci::cli {

// What people write behind an option. INVALID_ARGUMENT names the option, the text and what was
// expected.

// "80GiB", "500MB": bytes, > 0.
absl::StatusOr<int64_t> ParseBytes(absl::string_view option, absl::string_view text);
// "10Gbit", "800Mbit": of a second; in bytes, > 0.
absl::StatusOr<double> ParseBandwidth(absl::string_view option, absl::string_view text);
// "12.5T", "800G": floating-point operations of a second, > 0.
absl::StatusOr<double> ParseFlops(absl::string_view option, absl::string_view text);
// "50us", "1ms", "0.2s": in seconds, >= 0, at most an hour.
absl::StatusOr<double> ParseLatency(absl::string_view option, absl::string_view text);
// "0.05": a standard deviation over its mean, as the simulator's Jitter takes it.
absl::StatusOr<double> ParseJitter(absl::string_view option, absl::string_view text);
// "4=1.2,7=2": how many times slower than the others a stage is, by stage.
absl::StatusOr<std::map<int64_t, double>> ParseStragglers(absl::string_view option,
                                                          absl::string_view text);
// "2,4,8", each as the job file's `key` may be. Of what stands there twice the first counts.
absl::StatusOr<std::vector<int64_t>> ParseCounts(absl::string_view option, absl::string_view text,
                                                 absl::string_view key);

}  // namespace paci::cli
