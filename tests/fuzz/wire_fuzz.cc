// What a stranger, or a neighbour, says on the data port. A message that is believed is the one
// that would be written for what it says.
#include <algorithm>
#include <cstdlib>

#include "common/transport/tcp/wire.h"
#include "tests/fuzz/fuzz.h"

namespace paci {
namespace {

template <typename Bytes>
std::string Text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Bytes, typename Check>
void Try(const uint8_t* data, size_t size, const Check& check) {
  Bytes bytes;
  if (size < bytes.size()) return;
  std::copy_n(reinterpret_cast<const std::byte*>(data), bytes.size(), bytes.begin());
  check(bytes);
}

void Expect(bool is_so) {
  if (!is_so) std::abort();
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  Introduction introduction;
  introduction.link = {"kjv-1", 3, 1, 2, 1};
  return {Text(EncodeGreeting(Nonce{})), Text(EncodeIntroduction(introduction)),
          Text(EncodeVerdict(Verdict{})),
          Text(EncodeFrameHeader({{FrameKind::kGradient, 1, 77}, 1 << 20, true}))};
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paci;
  Try<GreetingBytes>(data, size, [](const GreetingBytes& bytes) {
    if (const auto nonce = DecodeGreeting(bytes); nonce.ok()) {
      Expect(*DecodeGreeting(EncodeGreeting(*nonce)) == *nonce);
    }
  });
  Try<IntroductionBytes>(data, size, [](const IntroductionBytes& bytes) {
    const auto said = DecodeIntroduction(bytes);
    if (!said.ok()) return;
    Expect(!said->link.job_id.empty() && said->link.job_id.size() <= kMaxJobIdBytes);
    const auto again = DecodeIntroduction(EncodeIntroduction(*said));
    Expect(again.ok() && again->link == said->link && again->proof == said->proof);
  });
  Try<VerdictBytes>(data, size, [](const VerdictBytes& bytes) { (void)DecodeVerdict(bytes); });
  Try<FrameHeaderBytes>(data, size, [](const FrameHeaderBytes& bytes) {
    const auto header = DecodeFrameHeader(bytes);
    if (!header.ok()) return;
    (void)ToString(header->tag);
    const auto again = DecodeFrameHeader(EncodeFrameHeader(*header));
    Expect(again.ok() && again->tag == header->tag &&
           again->payload_bytes == header->payload_bytes);
    // What is not awaited is refused, whatever it claims.
    const FrameTag awaited = {FrameKind::kActivation, 0, 5};
    const absl::Status checked =
        CheckFrame({"kjv-1", 1, 0, 1}, awaited, 64, header->tag, header->payload_bytes);
    Expect(checked.ok() == (header->tag == awaited && header->payload_bytes == 64));
  });
  return 0;
}
