#include "coordinator/service/cluster_service.h"

#include "common/rpc/timestamp.h"
#include "common/rpc/version.h"
#include "coordinator/service/answer.h"

namespace paci {

grpc::ServerUnaryReactor* ClusterServiceImpl::GetInfo(grpc::CallbackServerContext* context,
                                                      const v1::GetInfoRequest* /*request*/,
                                                      v1::ServerInfo* response) {
  response->set_version(kVersion);
  *response->mutable_started() = ToTimestamp(started_);
  return AnswerNow(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* ClusterServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                          const v1::ListWorkersRequest* /*request*/,
                                                          v1::ListWorkersResponse* response) {
  return Answer<v1::ListWorkersResponse>(core_, context, response, [](CoreState& state) {
    v1::ListWorkersResponse listed;
    for (v1::Worker& worker : state.controller.Workers()) {
      *listed.add_workers() = std::move(worker);
    }
    return listed;
  });
}

grpc::ServerUnaryReactor* ClusterServiceImpl::DrainWorker(grpc::CallbackServerContext* context,
                                                          const v1::DrainWorkerRequest* request,
                                                          v1::Worker* response) {
  return Answer<v1::Worker>(core_, context, response, [request](CoreState& state) {
    return state.controller.Drain(request->worker(), state.now);
  });
}

}  // namespace paci
