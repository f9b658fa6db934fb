#include "common/rpc/health_server.h"

#include "absl/memory/memory.h"
#include "common/rpc/deadline.h"

namespace paci {
namespace {

using grpc::health::v1::HealthCheckResponse;

// A request is the name of a service.
constexpr int kMaxRequestBytes = 4096;
// Whoever probes a process is one or two.
constexpr GuestLimits kGuests = {64, 32};

}  // namespace

absl::StatusOr<std::unique_ptr<HealthServer>> HealthServer::Start(const std::string& address) {
  const absl::StatusOr<HostPort> listen = ParseHostPort(address);
  if (!listen.ok()) return listen.status();
  absl::StatusOr<std::unique_ptr<Door>> door = Door::Open(*listen, kGuests);
  if (!door.ok()) return door.status();
  auto health = absl::WrapUnique(new HealthServer(*std::move(door)));
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  health->door_->AddTo(builder, grpc::InsecureServerCredentials());
  builder.RegisterService(health.get());
  health->server_ = builder.BuildAndStart();
  if (health->server_ == nullptr) return absl::InternalError("the health service cannot start");
  health->door_->Admit();
  return health;
}

HealthServer::HealthServer(std::unique_ptr<Door> door)
    : door_(std::move(door)), address_(ToString(door_->address())) {}

HealthServer::~HealthServer() {
  door_.reset();
  if (server_ != nullptr) server_->Shutdown(DeadlineIn(absl::ZeroDuration()));
}

void HealthServer::SetServing(const std::string& service, bool is_serving) {
  absl::MutexLock lock(&mutex_);
  serving_[service] = is_serving;
}

grpc::Status HealthServer::Check(grpc::ServerContext* /*context*/,
                                 const grpc::health::v1::HealthCheckRequest* request,
                                 HealthCheckResponse* response) {
  absl::MutexLock lock(&mutex_);
  const auto found = serving_.find(request->service());
  if (found == serving_.end()) return {grpc::StatusCode::NOT_FOUND, "no such service"};
  response->set_status(found->second ? HealthCheckResponse::SERVING
                                     : HealthCheckResponse::NOT_SERVING);
  return grpc::Status::OK;
}

}  // namespace paci
