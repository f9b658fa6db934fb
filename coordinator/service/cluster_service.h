#pragma once

#include <grpcpp/grpcpp.h>

#include "coordinator/service/core.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci {

// What users ask of the cluster. Thread-safe.
class ClusterServiceImpl final : public v1::ClusterService::CallbackService {
 public:
  ClusterServiceImpl(Core* core, absl::Time started) : core_(core), started_(started) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const v1::GetInfoRequest* request,
                                    v1::ServerInfo* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* DrainWorker(grpc::CallbackServerContext* context,
                                        const v1::DrainWorkerRequest* request,
                                        v1::Worker* response) override;

 private:
  Core* const core_;
  const absl::Time started_;
};

}  // namespace paci
