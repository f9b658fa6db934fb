#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/door.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace paci {

// The standard health protocol's Check and nothing else, for a process that is no server otherwise
// (gRPC's own health service needs another service beside it). The name "" is SERVING for as long
// as the process answers. Thread-safe.
class HealthServer : private grpc::health::v1::Health::Service {
 public:
  // `address` is HOST:PORT; port 0 takes a free one. INVALID_ARGUMENT: not an address.
  // UNAVAILABLE: it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HealthServer>> Start(const std::string& address);
  ~HealthServer() override;

  void SetServing(const std::string& service, bool is_serving);
  // HOST:PORT, with the port that is listened on.
  const std::string& address() const { return address_; }

 private:
  explicit HealthServer(std::unique_ptr<Door> door);

  grpc::Status Check(grpc::ServerContext* context,
                     const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override;

  absl::Mutex mutex_;
  std::map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_) = {{"", true}};
  std::unique_ptr<Door> door_;
  const std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace paci
