#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace paci {

// XXH3-64 of bytes that come in pieces: of frames and of files. Single-threaded.
class Checksum {
 public:
  Checksum();
  ~Checksum();

  void Add(absl::Span<const std::byte> bytes);
  // Of what was added since the beginning or the last Restart.
  uint64_t Value() const;
  // Value as "xxh3:<16 hex digits>".
  std::string Text() const;
  void Restart();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

bool IsChecksumText(absl::string_view text);

}  // namespace paci
