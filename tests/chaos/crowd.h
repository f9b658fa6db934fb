#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/rpc/descriptor.h"

namespace paci {

// Many connections of one stranger to one door of this machine, from an address that is his own.
// Single-threaded.
class Crowd {
 public:
  // `address`: HOST:PORT. Fewer than `size` connections if this process may not have so many
  // descriptors, of which it takes all it can get.
  Crowd(const std::string& address, size_t size);

  size_t size() const { return connections_.size(); }
  // Those that the door has not closed.
  size_t CountOpen() const;
  // Each that is open says the next of `bytes`; the last again when there are no more.
  void SayOneByteEach(absl::string_view bytes);

 private:
  std::vector<Descriptor> connections_;
  size_t said_ = 0;
};

}  // namespace paci
