#pragma once

#include <grpcpp/security/auth_metadata_processor.h>

#include <memory>

#include "common/security/user_tokens.h"

namespace paci {

// Asks of every call that comes over TLS whether its caller may make it. Thread-safe.
class CallGuard final : public grpc::AuthMetadataProcessor {
 public:
  // `tokens` may be null: then only certificates have roles.
  explicit CallGuard(std::unique_ptr<UserTokens> tokens) : tokens_(std::move(tokens)) {}

  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  const std::unique_ptr<UserTokens> tokens_;
};

}  // namespace paci
