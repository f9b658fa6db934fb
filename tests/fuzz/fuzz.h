#pragma once

// tests/fuzz: what comes from outside, as bytes. A target is one file: it says how bytes are read,
// and which bytes are right. Built by libFuzzer's compiler the targets search for as long as they
// may
// (`./run test fuzz`); else driver.cc tries the same changes of the right bytes every time.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace paci {

// Inputs that are right, or nearly.
std::vector<std::string> FuzzSeeds();

}  // namespace paci

// Aborts if what it reads is believed and should not be. Called again and again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
