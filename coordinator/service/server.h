#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc/door.h"
#include "common/web/metrics_server.h"
#include "coordinator/job/controller.h"
#include "coordinator/service/cluster_service.h"
#include "coordinator/service/core.h"
#include "coordinator/service/event_tally.h"
#include "coordinator/service/generate_calls.h"
#include "coordinator/service/job_service.h"
#include "coordinator/service/job_watchers.h"
#include "coordinator/service/metrics_collector.h"
#include "coordinator/service/trace_calls.h"
#include "coordinator/service/worker_streams.h"

namespace paci {

struct ServerOptions {
  std::string listen;      // HOST:PORT; port 0 takes a free one
  std::string store;       // file
  MetricsOptions metrics;  // an empty `listen`: none
  // Of `listen`; by default everybody may do everything.
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  GuestLimits guests;  // of `listen`
  ControllerOptions controller;
  // The store cannot be written any more: the process is to end. On the core's thread.
  std::function<void(const absl::Status& why)> on_fatal;
};

// A whole coordinator, from its store to its ports. Ends promptly when it is destroyed, whoever is
// connected; nothing it leaves behind differs from what a crash would leave. Thread-safe.
class Server {
 public:
  // INVALID_ARGUMENT: not an address. UNAVAILABLE: a port cannot be had. Others: the store.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // HOST:PORT, with the port that is listened on.
  const std::string& rpc_address() const { return rpc_address_; }
  std::string metrics_address() const { return metrics_ == nullptr ? "" : metrics_->address(); }

 private:
  Server(const ServerOptions& options, Controller controller, std::unique_ptr<JobStore> store);

  absl::Status Listen(const ServerOptions& options);
  void Deliver(Effects effects, absl::Time now);

  // Those who are connected outlive the core, which sends to them.
  WorkerStreams streams_;
  JobWatchers watchers_;
  GenerateCalls generate_calls_;
  TraceCalls trace_calls_;
  EventTally tally_;  // touched by the core's thread only
  Core core_;
  WorkerServiceImpl worker_service_;
  JobServiceImpl job_service_;
  ClusterServiceImpl cluster_service_;
  std::string rpc_address_;
  std::unique_ptr<Door> door_;
  std::unique_ptr<grpc::Server> grpc_;
  std::shared_ptr<MetricsCollector> collector_;
  std::unique_ptr<MetricsServer> metrics_;
};

}  // namespace paci
