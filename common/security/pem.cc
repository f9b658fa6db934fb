#include "common/security/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

template <auto free_it>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_it(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

absl::Status OpenFile(const std::string& path, Bio& file) {
  errno = 0;
  file.reset(BIO_new_file(path.c_str(), "r"));
  const int error = errno;
  ERR_clear_error();
  if (file != nullptr) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(path, " cannot be read: ", std::strerror(error)));
}

absl::Status ReadCertificate(const std::string& path, Certificate& certificate) {
  Bio file;
  if (absl::Status opened = OpenFile(path, file); !opened.ok()) return opened;
  certificate.reset(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " holds no certificate; expected PEM, -----BEGIN CERTIFICATE-----"));
}

absl::Status ReadKey(const std::string& path, Key& key) {
  Bio file;
  if (absl::Status opened = OpenFile(path, file); !opened.ok()) return opened;
  // Never asks for a password.
  char none[] = "";
  key.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, none));
  ERR_clear_error();
  if (key != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, " holds no private key without a password; expected PEM, -----BEGIN PRIVATE KEY-----"));
}

}  // namespace

absl::Status CheckCertificates(const std::string& path) {
  Certificate certificate;
  return ReadCertificate(path, certificate);
}

absl::Status CheckKeyPair(const std::string& certificate_path, const std::string& key_path) {
  Certificate certificate;
  Key key;
  absl::Status read = ReadCertificate(certificate_path, certificate);
  read.Update(ReadKey(key_path, key));
  if (!read.ok()) return read;
  const bool match = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (match) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the key ", key_path, " is not that of the certificate ", certificate_path));
}

}  // namespace paci
