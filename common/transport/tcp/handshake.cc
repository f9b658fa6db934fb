#include "common/transport/tcp/handshake.h"

#include <asio/buffer.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);

absl::Status Broken(const std::error_code& error) {
  return absl::UnavailableError(absl::StrCat("the handshake broke off: ", error.message()));
}

template <typename Bytes>
asio::awaitable<absl::Status> ReadAll(asio::ip::tcp::socket& socket, Bytes& bytes) {
  const auto [error, size] = co_await asio::async_read(socket, asio::buffer(bytes), kAwait);
  co_return error ? Broken(error) : absl::OkStatus();
}

template <typename Bytes>
asio::awaitable<absl::Status> WriteAll(asio::ip::tcp::socket& socket, const Bytes& bytes) {
  const auto [error, size] = co_await asio::async_write(socket, asio::buffer(bytes), kAwait);
  co_return error ? Broken(error) : absl::OkStatus();
}

absl::Status Judge(const Verdict& verdict, const Proof& expected, const LinkId& link) {
  switch (verdict.code) {
    case VerdictCode::kNotExpected:
      return absl::NotFoundError(absl::StrCat("the peer does not expect ", ToString(link)));
    case VerdictCode::kWrongSecret:
      return absl::PermissionDeniedError(
          absl::StrCat("the peer knows another secret for ", ToString(link)));
    case VerdictCode::kWelcome:
      break;
  }
  if (IsSame(verdict.proof, expected)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the peer could not prove that it knows the secret of ", ToString(link)));
}

}  // namespace

asio::awaitable<absl::Status> Introduce(asio::ip::tcp::socket& socket, const LinkId& link,
                                        const std::string& secret) {
  GreetingBytes greeting;
  absl::Status moved = co_await ReadAll(socket, greeting);
  if (!moved.ok()) co_return moved;
  const absl::StatusOr<Nonce> acceptor = DecodeGreeting(greeting);
  if (!acceptor.ok()) co_return acceptor.status();

  Introduction introduction;
  introduction.link = link;
  introduction.nonce = RandomNonce();
  introduction.proof = Prove(Prover::kDialler, secret, link, introduction.nonce, *acceptor);
  const IntroductionBytes introduction_bytes = EncodeIntroduction(introduction);
  moved = co_await WriteAll(socket, introduction_bytes);
  if (!moved.ok()) co_return moved;

  VerdictBytes verdict_bytes;
  moved = co_await ReadAll(socket, verdict_bytes);
  if (!moved.ok()) co_return moved;
  const absl::StatusOr<Verdict> verdict = DecodeVerdict(verdict_bytes);
  if (!verdict.ok()) co_return verdict.status();
  const Proof expected = Prove(Prover::kAcceptor, secret, link, introduction.nonce, *acceptor);
  co_return Judge(*verdict, expected, link);
}

asio::awaitable<absl::StatusOr<LinkId>> Examine(asio::ip::tcp::socket& socket,
                                                const FindSecret& find_secret) {
  const Nonce nonce = RandomNonce();
  const GreetingBytes greeting = EncodeGreeting(nonce);
  absl::Status moved = co_await WriteAll(socket, greeting);
  if (!moved.ok()) co_return moved;
  IntroductionBytes introduction_bytes;
  moved = co_await ReadAll(socket, introduction_bytes);
  if (!moved.ok()) co_return moved;
  const absl::StatusOr<Introduction> introduction = DecodeIntroduction(introduction_bytes);
  if (!introduction.ok()) co_return introduction.status();

  const LinkId& link = introduction->link;
  const std::string* const secret = find_secret(link);
  Verdict verdict;
  if (secret == nullptr) {
    verdict.code = VerdictCode::kNotExpected;
  } else if (!IsSame(introduction->proof,
                     Prove(Prover::kDialler, *secret, link, introduction->nonce, nonce))) {
    verdict.code = VerdictCode::kWrongSecret;
  } else {
    verdict.proof = Prove(Prover::kAcceptor, *secret, link, introduction->nonce, nonce);
  }
  const VerdictBytes verdict_bytes = EncodeVerdict(verdict);
  moved = co_await WriteAll(socket, verdict_bytes);
  if (!moved.ok()) co_return moved;
  if (verdict.code == VerdictCode::kWelcome) co_return link;
  co_return absl::PermissionDeniedError(absl::StrCat(
      verdict.code == VerdictCode::kNotExpected ? "nobody here expects " : "wrong secret for ",
      ToString(link)));
}

}  // namespace paci
