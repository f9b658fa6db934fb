#pragma once

#include <string>

#include "absl/status/status.h"

namespace paci {

// OK if the files hold what they should, and the key is that of the certificate. INVALID_ARGUMENT,
// NOT_FOUND name the file and what is wrong with it. gRPC itself only says that a handshake failed.
absl::Status CheckCertificates(const std::string& path);
absl::Status CheckKeyPair(const std::string& certificate_path, const std::string& key_path);

}  // namespace paci
