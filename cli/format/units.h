#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace paci::cli {

// "45s", "5m12s", "3h7m", "12d": as much as a person needs. Negative (clocks differ): "0s".
std::string DurationText(absl::Duration duration);
// "950", "12.3k", "1.23M", "4.50G": three significant digits from 1,000 on.
std::string CountText(double count);
// "512 B", "1.50 GiB"
std::string BytesText(uint64_t bytes);
// 0.934 -> "93%"
std::string ShareText(double share);
// Four significant digits at most, without trailing zeros: "0.0007", "2.345", "1e-08".
std::string NumberText(double value);
// Losses: always three decimals.
std::string LossText(double nats);

// "2026-01-31 08:05:09Z"
std::string TimeText(const google::protobuf::Timestamp& timestamp);
// Time since then; 0 (never) gives "-".
std::string AgeText(const google::protobuf::Timestamp& timestamp, absl::Time now);

}  // namespace paci::cli
