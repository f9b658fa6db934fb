#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/checkpoint.h"

namespace paci {

// A copy in memory of all that a checkpoint keeps of a stage, of the bytes themselves. Not
// thread-safe.
class StateCopy {
 public:
  StateCopy() = default;
  StateCopy(StateCopy&&) = default;
  StateCopy& operator=(StateCopy&&) = default;

  // Copies the bytes that `units` refer to: the state after `update` updates. The buffer stays for
  // the next. Throws std::bad_alloc.
  void Take(uint64_t update, std::vector<UnitTensors> units);

  uint64_t update() const { return update_; }
  const std::vector<UnitTensors>& units() const { return units_; }  // their bytes are in bytes()
  absl::Span<const std::byte> bytes() const { return bytes_; }

  // What another process needs to make the same copy of the same bytes: a safetensors header.
  absl::StatusOr<std::string> Header() const;
  // INVALID_ARGUMENT: `header` is none, or not of `bytes`.
  static absl::StatusOr<StateCopy> FromHeader(absl::string_view header,
                                              std::vector<std::byte> bytes);
  // The buffer, for another copy.
  std::vector<std::byte> TakeBytes() && { return std::move(bytes_); }

 private:
  uint64_t update_ = 0;
  std::vector<UnitTensors> units_;
  std::vector<std::byte> bytes_;
};

}  // namespace paci
