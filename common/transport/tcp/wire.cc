#include "common/transport/tcp/wire.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

constexpr uint32_t kHandshakeMagic = 0x49434150;  // "PACI"
constexpr uint32_t kFrameMagic = 0x46434150;      // "PACF"
constexpr uint8_t kHasChecksum = 1;

class Writer {
 public:
  explicit Writer(std::byte* to) : to_(to) {}
  template <typename Number>
  Writer& Put(Number number) {
    return PutBytes(&number, sizeof(number));
  }
  Writer& PutBytes(const void* from, size_t count) {
    std::memcpy(to_, from, count);
    to_ += count;
    return *this;
  }

 private:
  std::byte* to_;
};

class Reader {
 public:
  explicit Reader(const std::byte* from) : from_(from) {}
  template <typename Number>
  Number Take() {
    Number number;
    TakeBytes(&number, sizeof(number));
    return number;
  }
  void TakeBytes(void* to, size_t count) {
    std::memcpy(to, from_, count);
    from_ += count;
  }

 private:
  const std::byte* from_;
};

absl::Status CheckMagic(uint32_t magic, uint32_t expected, absl::string_view what) {
  if (magic == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the peer does not speak paci's data plane: its ",
                                                 what, " begins with 0x", absl::Hex(magic),
                                                 ", expected 0x", absl::Hex(expected)));
}

absl::Status CheckVersion(uint16_t version) {
  if (version == kWireVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the peer speaks version ", version, " of the data plane, this worker ",
                   kWireVersion, "; run the same release of paci-worker on all hosts"));
}

void PutLink(Writer& writer, const LinkId& link) {
  std::array<char, kMaxJobIdBytes> job_id{};
  std::copy_n(link.job_id.data(), std::min(link.job_id.size(), job_id.size()), job_id.data());
  writer.Put(static_cast<uint8_t>(link.job_id.size()))
      .Put(link.lane)
      .PutBytes(job_id.data(), job_id.size())
      .Put(link.generation)
      .Put(link.from_stage)
      .Put(link.to_stage);
}

}  // namespace

GreetingBytes EncodeGreeting(const Nonce& nonce) {
  GreetingBytes bytes{};
  Writer(bytes.data())
      .Put(kHandshakeMagic)
      .Put(kWireVersion)
      .Put(uint16_t{0})
      .PutBytes(nonce.data(), nonce.size());
  return bytes;
}

absl::StatusOr<Nonce> DecodeGreeting(const GreetingBytes& bytes) {
  Reader reader(bytes.data());
  const uint32_t magic = reader.Take<uint32_t>();
  if (absl::Status valid = CheckMagic(magic, kHandshakeMagic, "greeting"); !valid.ok()) {
    return valid;
  }
  const auto version = reader.Take<uint16_t>();
  if (absl::Status valid = CheckVersion(version); !valid.ok()) return valid;
  reader.Take<uint16_t>();
  Nonce nonce;
  reader.TakeBytes(nonce.data(), nonce.size());
  return nonce;
}

IntroductionBytes EncodeIntroduction(const Introduction& introduction) {
  IntroductionBytes bytes{};
  Writer writer(bytes.data());
  writer.Put(kHandshakeMagic).Put(kWireVersion);
  PutLink(writer, introduction.link);
  writer.PutBytes(introduction.nonce.data(), introduction.nonce.size())
      .PutBytes(introduction.proof.data(), introduction.proof.size());
  return bytes;
}

absl::StatusOr<Introduction> DecodeIntroduction(const IntroductionBytes& bytes) {
  Reader reader(bytes.data());
  const uint32_t magic = reader.Take<uint32_t>();
  if (absl::Status valid = CheckMagic(magic, kHandshakeMagic, "introduction"); !valid.ok()) {
    return valid;
  }
  const auto version = reader.Take<uint16_t>();
  if (absl::Status valid = CheckVersion(version); !valid.ok()) return valid;
  const auto job_id_bytes = reader.Take<uint8_t>();
  const auto lane = reader.Take<uint8_t>();
  if (job_id_bytes < 1 || job_id_bytes > kMaxJobIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the peer's introduction has a job id of ",
                                                   job_id_bytes, " bytes, expected 1..",
                                                   kMaxJobIdBytes));
  }
  std::array<char, kMaxJobIdBytes> job_id{};
  reader.TakeBytes(job_id.data(), job_id.size());
  Introduction introduction;
  introduction.link.job_id.assign(job_id.data(), job_id_bytes);
  introduction.link.generation = reader.Take<uint64_t>();
  introduction.link.from_stage = reader.Take<uint32_t>();
  introduction.link.to_stage = reader.Take<uint32_t>();
  introduction.link.lane = lane;
  reader.TakeBytes(introduction.nonce.data(), introduction.nonce.size());
  reader.TakeBytes(introduction.proof.data(), introduction.proof.size());
  return introduction;
}

VerdictBytes EncodeVerdict(const Verdict& verdict) {
  VerdictBytes bytes{};
  Writer(bytes.data())
      .Put(kHandshakeMagic)
      .Put(verdict.code)
      .PutBytes(verdict.proof.data(), verdict.proof.size());
  return bytes;
}

absl::StatusOr<Verdict> DecodeVerdict(const VerdictBytes& bytes) {
  Reader reader(bytes.data());
  const uint32_t magic = reader.Take<uint32_t>();
  if (absl::Status valid = CheckMagic(magic, kHandshakeMagic, "verdict"); !valid.ok()) return valid;
  Verdict verdict;
  verdict.code = reader.Take<VerdictCode>();
  if (verdict.code > VerdictCode::kWrongSecret) {
    return absl::InvalidArgumentError("the peer's verdict on the introduction is an unknown code");
  }
  reader.TakeBytes(verdict.proof.data(), verdict.proof.size());
  return verdict;
}

Proof Prove(Prover prover, const std::string& secret, const LinkId& link, const Nonce& dialler,
            const Nonce& acceptor) {
  std::array<std::byte, 1 + 2 * sizeof(Nonce) + 2 + kMaxJobIdBytes + 16> message{};
  Writer writer(message.data());
  writer.Put(prover)
      .PutBytes(dialler.data(), dialler.size())
      .PutBytes(acceptor.data(), acceptor.size());
  PutLink(writer, link);
  Proof proof;
  unsigned int size = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(proof.data()), &size);
  // Out of memory inside OpenSSL: no proof may be left to chance.
  if (made == nullptr || size != proof.size()) std::abort();
  return proof;
}

bool IsSame(const Proof& a, const Proof& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Nonce RandomNonce() {
  Nonce nonce;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), nonce.size()) != 1) std::abort();
  return nonce;
}

FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header) {
  FrameHeaderBytes bytes{};
  Writer(bytes.data())
      .Put(kFrameMagic)
      .Put(header.tag.kind)
      .Put(header.has_checksum ? kHasChecksum : uint8_t{0})
      .Put(uint16_t{0})
      .Put(header.tag.chunk)
      .Put(uint32_t{0})
      .Put(header.tag.index)
      .Put(header.payload_bytes);
  return bytes;
}

absl::StatusOr<FrameHeader> DecodeFrameHeader(const FrameHeaderBytes& bytes) {
  Reader reader(bytes.data());
  const uint32_t magic = reader.Take<uint32_t>();
  if (absl::Status valid = CheckMagic(magic, kFrameMagic, "frame"); !valid.ok()) return valid;
  FrameHeader header;
  header.tag.kind = reader.Take<FrameKind>();
  header.has_checksum = (reader.Take<uint8_t>() & kHasChecksum) != 0;
  reader.Take<uint16_t>();
  header.tag.chunk = reader.Take<uint32_t>();
  reader.Take<uint32_t>();
  header.tag.index = reader.Take<uint64_t>();
  header.payload_bytes = reader.Take<uint64_t>();
  return header;
}

FrameTrailerBytes EncodeFrameTrailer(uint64_t checksum) {
  FrameTrailerBytes bytes;
  Writer(bytes.data()).Put(checksum);
  return bytes;
}

uint64_t DecodeFrameTrailer(const FrameTrailerBytes& bytes) {
  return Reader(bytes.data()).Take<uint64_t>();
}

}  // namespace paci
