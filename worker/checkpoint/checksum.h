#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace paci {

// XXH3-64 of bytes that come in pieces. Single-threaded.
class Checksum {
 public:
  Checksum();
  ~Checksum();

  void Add(absl::Span<const std::byte> bytes);
  // "xxh3:<16 hex digits>" of what was added so far.
  std::string Text() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

bool IsChecksumText(absl::string_view text);

}  // namespace paci
