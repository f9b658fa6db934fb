#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"

namespace paci {

inline google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  stamp.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(stamp.seconds())) / absl::Nanoseconds(1)));
  return stamp;
}

inline absl::Time FromTimestamp(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

}  // namespace paci
