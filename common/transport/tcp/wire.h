#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/transport/channel.h"

namespace paci {

// The bytes of the data plane. All numbers little-endian, all messages of fixed size, so that
// nothing a stranger says decides how much is read. A connection carries one channel:
//
//   acceptor -> dialler  Greeting     magic, version, acceptor's nonce
//   dialler  -> acceptor Introduction magic, version, link, dialler's nonce, proof of the secret
//   acceptor -> dialler  Verdict      magic, code, proof of the secret
//   dialler  -> acceptor frames       header, payload, trailer; header, payload, trailer; ...
//
// A proof is HMAC-SHA256, keyed with the link's secret, over its direction, both nonces and the
// link: it can neither be replayed (fresh nonces) nor reflected (direction).

using Nonce = std::array<std::byte, 16>;
using Proof = std::array<std::byte, 32>;

inline constexpr uint16_t kWireVersion = 1;
inline constexpr size_t kMaxJobIdBytes = 64;

inline constexpr size_t kGreetingBytes = 24;
using GreetingBytes = std::array<std::byte, kGreetingBytes>;
GreetingBytes EncodeGreeting(const Nonce& nonce);
absl::StatusOr<Nonce> DecodeGreeting(const GreetingBytes& bytes);

struct Introduction {
  LinkId link;
  Nonce nonce{};
  Proof proof{};
};
inline constexpr size_t kIntroductionBytes = 136;
using IntroductionBytes = std::array<std::byte, kIntroductionBytes>;
// REQUIRES: 1..64 bytes of job id.
IntroductionBytes EncodeIntroduction(const Introduction& introduction);
absl::StatusOr<Introduction> DecodeIntroduction(const IntroductionBytes& bytes);

enum class VerdictCode : uint32_t {
  kWelcome = 0,
  kNotExpected = 1,  // nobody here accepts this link (yet)
  kWrongSecret = 2,
};
struct Verdict {
  VerdictCode code = VerdictCode::kWelcome;
  Proof proof{};
};
inline constexpr size_t kVerdictBytes = 40;
using VerdictBytes = std::array<std::byte, kVerdictBytes>;
VerdictBytes EncodeVerdict(const Verdict& verdict);
absl::StatusOr<Verdict> DecodeVerdict(const VerdictBytes& bytes);

enum class Prover : char { kDialler = 'D', kAcceptor = 'A' };
Proof Prove(Prover prover, const std::string& secret, const LinkId& link, const Nonce& dialler,
            const Nonce& acceptor);
// In constant time.
bool IsSame(const Proof& a, const Proof& b);
Nonce RandomNonce();

struct FrameHeader {
  FrameTag tag;
  uint64_t payload_bytes = 0;
  bool has_checksum = false;  // a trailer follows the payload
};
inline constexpr size_t kFrameHeaderBytes = 32;
using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;
FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header);
absl::StatusOr<FrameHeader> DecodeFrameHeader(const FrameHeaderBytes& bytes);

// XXH3-64 of the payload. Behind it, so that either end computes it while the bytes move.
inline constexpr size_t kFrameTrailerBytes = 8;
using FrameTrailerBytes = std::array<std::byte, kFrameTrailerBytes>;
FrameTrailerBytes EncodeFrameTrailer(uint64_t checksum);
uint64_t DecodeFrameTrailer(const FrameTrailerBytes& bytes);

}  // namespace paci
