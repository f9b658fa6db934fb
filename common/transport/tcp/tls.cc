#include "common/transport/tcp/tls.h"

#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include <array>
#include <asio/experimental/as_tuple.hpp>
#include <asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);
constexpr char kIdentity[] = "paci";
constexpr char kCipher[] = "TLS_AES_128_GCM_SHA256";

using Key = std::array<unsigned char, 32>;

// Lives as long as its SSL.
void FreeKey(void* /*ssl*/, void* key, CRYPTO_EX_DATA* /*data*/, int /*index*/, long /*arg*/,
             void* /*arg*/) {
  delete static_cast<Key*>(key);
}
int KeyIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, FreeKey);
  return index;
}

Key KeyOf(const LinkId& link, const std::string& secret) {
  const std::string what = absl::StrCat("paci data tls 1\n", ToString(link));
  Key key{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(what.data()), what.size(), key.data(), &size);
  return key;
}

unsigned int CopyKey(SSL* ssl, unsigned char* into, unsigned int most) {
  const auto* key = static_cast<const Key*>(SSL_get_ex_data(ssl, KeyIndex()));
  if (key == nullptr || most < key->size()) return 0;
  std::memcpy(into, key->data(), key->size());
  return static_cast<unsigned int>(key->size());
}

unsigned int ClientKey(SSL* ssl, const char* /*hint*/, char* identity, unsigned int most_identity,
                       unsigned char* key, unsigned int most_key) {
  if (most_identity < sizeof(kIdentity)) return 0;
  std::memcpy(identity, kIdentity, sizeof(kIdentity));
  return CopyKey(ssl, key, most_key);
}

unsigned int ServerKey(SSL* ssl, const char* identity, unsigned char* key, unsigned int most_key) {
  return std::strcmp(identity, kIdentity) == 0 ? CopyKey(ssl, key, most_key) : 0;
}

// Neither side has a certificate, and none is believed: without the key there is no connection.
asio::ssl::context MakeContext() {
  asio::ssl::context context(asio::ssl::context::tls);
  SSL_CTX* const native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(native, kCipher);
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_num_tickets(native, 0);
  SSL_CTX_set_psk_client_callback(native, ClientKey);
  SSL_CTX_set_psk_server_callback(native, ServerKey);
  return context;
}

}  // namespace

TlsStream MakeTlsStream(asio::ip::tcp::socket socket, TlsSide side, const LinkId& link,
                        const std::string& secret) {
  static asio::ssl::context& context = *new asio::ssl::context(MakeContext());
  TlsStream stream(std::move(socket), context);
  SSL* const ssl = stream.native_handle();
  SSL_set_ex_data(ssl, KeyIndex(), new Key(KeyOf(link, secret)));
  // What a server asks of clients: nothing but the key.
  if (side == TlsSide::kAcceptor) SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  return stream;
}

asio::awaitable<absl::Status> Encrypt(TlsStream& stream, TlsSide side) {
  const auto type = side == TlsSide::kDialler ? TlsStream::client : TlsStream::server;
  const auto [error] = co_await stream.async_handshake(type, kAwait);
  if (!error) co_return absl::OkStatus();
  co_return absl::UnavailableError(
      absl::StrCat("the connection cannot be encrypted: ", error.message()));
}

}  // namespace paci
