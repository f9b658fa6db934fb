// The bytes of the data plane, frozen: a change here needs another kWireVersion.
#include "common/transport/tcp/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using ::testing::HasSubstr;

template <typename Bytes>
std::string Hex(const Bytes& bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

template <typename Bytes>
Bytes Counting(int from) {
  Bytes bytes;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(from++);
  return bytes;
}

std::string Zeros(size_t bytes) { return std::string(2 * bytes, '0'); }

const LinkId kLink = {"kjv-1", 2, 0, 1};
constexpr char kNonceHex[] = "000102030405060708090a0b0c0d0e0f";
constexpr char kProofHex[] = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";

TEST(Wire, WritesTheseBytes) {
  const auto nonce = Counting<Nonce>(0);
  const auto proof = Counting<Proof>(0x40);
  EXPECT_EQ(Hex(EncodeGreeting(nonce)), absl::StrCat("50414349", "0100", "0000", kNonceHex));
  EXPECT_EQ(Hex(EncodeIntroduction({kLink, nonce, proof})),
            absl::StrCat("50414349", "0100",                          // magic, version
                         "0500", "6b6a762d31", Zeros(59),             // job id
                         "0200000000000000", "00000000", "01000000",  // generation, from, to
                         kNonceHex, kProofHex));
  EXPECT_EQ(Hex(EncodeVerdict({VerdictCode::kWrongSecret, proof})),
            absl::StrCat("50414349", "02000000", kProofHex));
  const FrameHeader header{{FrameKind::kGradient, 3, 0x0102030405060708}, 0x1122334455, true};
  EXPECT_EQ(Hex(EncodeFrameHeader(header)),
            absl::StrCat("50414346", "02", "01", "0000",  // magic, kind, has checksum
                         "03000000", "00000000",          // chunk
                         "0807060504030201",              // index
                         "5544332211000000"));            // payload bytes
  EXPECT_EQ(Hex(EncodeFrameTrailer(0x0102030405060708)), "0807060504030201");
}

// Against Python: hmac.new(b"secret", role + dialler + acceptor + link, "sha256").
TEST(Wire, ProvesWithHmacSha256OverRoleNoncesAndLink) {
  const auto dialler = Counting<Nonce>(0);
  const auto acceptor = Counting<Nonce>(16);
  EXPECT_EQ(Hex(Prove(Prover::kDialler, "secret", kLink, dialler, acceptor)),
            "68c3f75cd55e4d6f6908a12a60ab35d0b221414cc23b975f64a52dd8a92ad68a");
  EXPECT_EQ(Hex(Prove(Prover::kAcceptor, "secret", kLink, dialler, acceptor)),
            "51685d35041298f8e89c2fbffcfc1291284f5ff69a6822206062d4e842146ff2");
}

LinkId AnyLink() {
  LinkId link;
  link.job_id = *rc::gen::resize(
      kMaxJobIdBytes,
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::arbitrary<char>())));
  link.generation = *rc::gen::arbitrary<uint64_t>();
  link.from_stage = *rc::gen::arbitrary<uint32_t>();
  link.to_stage = *rc::gen::arbitrary<uint32_t>();
  link.lane = *rc::gen::arbitrary<uint8_t>();
  return link;
}

template <typename Bytes>
Bytes AnyBytes() {
  Bytes bytes;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(*rc::gen::arbitrary<uint8_t>());
  return bytes;
}

RC_GTEST_PROP(Wire, AnIntroductionComesBackAsItWas, ()) {
  const Introduction sent{AnyLink(), AnyBytes<Nonce>(), AnyBytes<Proof>()};
  RC_PRE(sent.link.job_id.size() <= kMaxJobIdBytes);
  const auto got = DecodeIntroduction(EncodeIntroduction(sent));
  RC_ASSERT(got.ok());
  RC_ASSERT(got->link == sent.link);
  RC_ASSERT(got->nonce == sent.nonce);
  RC_ASSERT(got->proof == sent.proof);
}

RC_GTEST_PROP(Wire, AGreetingAndAVerdictComeBackAsTheyWere, ()) {
  const auto nonce = AnyBytes<Nonce>();
  const auto got_nonce = DecodeGreeting(EncodeGreeting(nonce));
  RC_ASSERT(got_nonce.ok());
  RC_ASSERT(*got_nonce == nonce);
  const Verdict verdict{static_cast<VerdictCode>(*rc::gen::inRange(0, 3)), AnyBytes<Proof>()};
  const auto got_verdict = DecodeVerdict(EncodeVerdict(verdict));
  RC_ASSERT(got_verdict.ok());
  RC_ASSERT(got_verdict->code == verdict.code);
  RC_ASSERT(got_verdict->proof == verdict.proof);
}

RC_GTEST_PROP(Wire, AFrameHeaderComesBackAsItWas, (uint8_t kind, bool has_checksum)) {
  FrameHeader sent;
  sent.tag = {static_cast<FrameKind>(kind), *rc::gen::arbitrary<uint32_t>(),
              *rc::gen::arbitrary<uint64_t>()};
  sent.payload_bytes = *rc::gen::arbitrary<uint64_t>();
  sent.has_checksum = has_checksum;
  const auto got = DecodeFrameHeader(EncodeFrameHeader(sent));
  RC_ASSERT(got.ok());
  RC_ASSERT(got->tag == sent.tag);
  RC_ASSERT(got->payload_bytes == sent.payload_bytes);
  RC_ASSERT(got->has_checksum == sent.has_checksum);
  const auto checksum = *rc::gen::arbitrary<uint64_t>();
  RC_ASSERT(DecodeFrameTrailer(EncodeFrameTrailer(checksum)) == checksum);
}

// Whatever a stranger says, reading it is defined and, but for a chance of 2^-32, an error.
RC_GTEST_PROP(Wire, RandomBytesAreNoMessage, ()) {
  RC_ASSERT(!DecodeGreeting(AnyBytes<GreetingBytes>()).ok());
  RC_ASSERT(!DecodeIntroduction(AnyBytes<IntroductionBytes>()).ok());
  RC_ASSERT(!DecodeVerdict(AnyBytes<VerdictBytes>()).ok());
  RC_ASSERT(!DecodeFrameHeader(AnyBytes<FrameHeaderBytes>()).ok());
}

RC_GTEST_PROP(Wire, AProofIsGoodForItsRoleSecretLinkAndNoncesOnly, ()) {
  const LinkId link = AnyLink();
  RC_PRE(link.job_id.size() <= kMaxJobIdBytes);
  const auto dialler = AnyBytes<Nonce>();
  auto acceptor = AnyBytes<Nonce>();
  const Proof proof = Prove(Prover::kDialler, "secret", link, dialler, acceptor);
  RC_ASSERT(IsSame(proof, Prove(Prover::kDialler, "secret", link, dialler, acceptor)));
  RC_ASSERT(!IsSame(proof, Prove(Prover::kAcceptor, "secret", link, dialler, acceptor)));
  RC_ASSERT(!IsSame(proof, Prove(Prover::kDialler, "secreT", link, dialler, acceptor)));
  LinkId other = link;
  ++other.generation;
  RC_ASSERT(!IsSame(proof, Prove(Prover::kDialler, "secret", other, dialler, acceptor)));
  acceptor[*rc::gen::inRange<size_t>(0, acceptor.size())] ^= std::byte{1};
  RC_ASSERT(!IsSame(proof, Prove(Prover::kDialler, "secret", link, dialler, acceptor)));
}

TEST(Wire, NamesWhatIsWrongWithAMessage) {
  GreetingBytes greeting = EncodeGreeting({});
  greeting[4] = std::byte{9};
  absl::Status status = DecodeGreeting(greeting).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("version 9 of the data plane, this worker 1"));

  greeting[0] = std::byte{'X'};
  status = DecodeGreeting(greeting).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("its greeting begins with 0x"));

  for (const uint8_t job_id_bytes : {0, 65, 255}) {
    IntroductionBytes introduction = EncodeIntroduction({kLink, {}, {}});
    introduction[6] = std::byte{job_id_bytes};
    status = DecodeIntroduction(introduction).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("a job id of ", job_id_bytes, " bytes, expected 1..64")));
  }

  VerdictBytes verdict = EncodeVerdict({});
  verdict[4] = std::byte{3};
  EXPECT_EQ(DecodeVerdict(verdict).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace paci
