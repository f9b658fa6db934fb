// Runs a target on its seeds, and on changes of them that are the same every time. With a folder as
// its argument it writes the seeds there instead, for libFuzzer.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "tests/fuzz/fuzz.h"

namespace paci {
namespace {

constexpr int kChangesOfASeed = 3000;

void Change(std::string& bytes, std::mt19937& random) {
  const auto below = [&](size_t end) { return end == 0 ? 0 : random() % end; };
  constexpr const char* kTelling[] = {"\xff\xff\xff\xff\xff\xff\xff\xff",
                                      "-1",
                                      "1e999",
                                      "null",
                                      "{}",
                                      "\"",
                                      "[[[[[[[[",
                                      "../",
                                      "18446744073709551616"};
  switch (random() % 6) {
    case 0:
      if (!bytes.empty()) bytes[below(bytes.size())] = static_cast<char>(random());
      break;
    case 1:
      if (!bytes.empty()) bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
      break;
    case 2:
      bytes.erase(below(bytes.size()), below(16));
      break;
    case 3:
      bytes.insert(below(bytes.size()), kTelling[below(std::size(kTelling))]);
      break;
    case 4:
      bytes.insert(below(bytes.size()), bytes.substr(below(bytes.size()), below(64)));
      break;
    default:
      bytes.resize(below(bytes.size() + 1));
  }
}

void Run(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

int Main(int argc, char** argv) {
  const std::vector<std::string> seeds = FuzzSeeds();
  for (size_t i = 0; i < seeds.size() && argc > 1; ++i) {
    std::ofstream(std::string(argv[1]) + "/seed-" + std::to_string(i), std::ios::binary)
        << seeds[i];
  }
  if (argc > 1) return 0;
  std::mt19937 random(1);
  Run("");
  for (const std::string& seed : seeds) {
    Run(seed);
    for (int i = 0; i < kChangesOfASeed; ++i) {
      std::string bytes = seed;
      for (unsigned changes = 1 + random() % 4; changes > 0; --changes) Change(bytes, random);
      Run(bytes);
    }
  }
  std::printf("%zu seeds, %d changes of each\n", seeds.size(), kChangesOfASeed);
  return 0;
}

}  // namespace
}  // namespace paci

int main(int argc, char** argv) { return paci::Main(argc, argv); }
