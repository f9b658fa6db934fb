#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/test_folder.h"

namespace paci {

inline std::string Uint16File(const std::vector<uint16_t>& ids) {
  std::string bytes;
  for (const uint16_t id : ids) {
    bytes.push_back(static_cast<char>(id & 0xff));
    bytes.push_back(static_cast<char>(id >> 8));
  }
  return bytes;
}

}  // namespace paci
