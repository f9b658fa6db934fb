#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/verb.h"
#include "cli/watch/interrupt.h"
#include "common/rpc/deadline.h"
#include "grpcpp/grpcpp.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci::cli {

// `address` is HOST:PORT. Retries fast: someone is waiting.
std::shared_ptr<grpc::Channel> Dial(const std::string& address,
                                    const std::shared_ptr<grpc::ChannelCredentials>& credentials);

// Of what `globals` say about the coordinator.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const Globals& globals);

// Calls to one coordinator, each with a deadline. Its errors are ready to be printed: UNAVAILABLE
// for no answer, which names the address. Single-threaded.
class Client {
 public:
  // `interrupt`, if any, outlives the client and cancels its calls.
  // INVALID_ARGUMENT: the address of `globals` is none, or what protects the connection is not what
  // it must be.
  static absl::StatusOr<Client> Create(const Globals& globals, Interrupt* interrupt = nullptr,
                                       absl::Duration default_timeout = kCallDeadline);

  template <typename Stub, typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  // client.Call(&Jobs::GetJob, request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Stub, Request, Response> method, const Request& request) {
    Response response;
    const absl::Status status = CallOnce([&](grpc::ClientContext* context) {
      return (StubOf(static_cast<Stub*>(nullptr)).*method)(context, request, &response);
    });
    if (!status.ok()) return status;
    return response;
  }

  absl::StatusOr<v1::Job> GetJob(const std::string& job_id) {
    v1::GetJobRequest request;
    request.set_job_id(job_id);
    return Call(&v1::JobService::StubInterface::GetJob, request);
  }

  // As Call, for an answer that is a stream, to its end.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<std::vector<Response>> CallForAll(
      std::unique_ptr<grpc::ClientReaderInterface<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                             const Request&),
      const Request& request) {
    std::vector<Response> responses;
    const absl::Status status = CallOnce([&](grpc::ClientContext* context) {
      const auto reader = (StubOf(static_cast<Stub*>(nullptr)).*method)(context, request);
      for (Response next; reader->Read(&next);) responses.push_back(std::move(next));
      return reader->Finish();
    });
    if (!status.ok()) return status;
    return responses;
  }

  // Again and again while the coordinator is unreachable, until `patience` is over. Only for calls
  // that may be repeated.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> CallPatiently(Method<Stub, Request, Response> method,
                                         const Request& request, absl::Duration patience) {
    Response response;
    const absl::Status status = CallUntil(
        [&](grpc::ClientContext* context) {
          return (StubOf(static_cast<Stub*>(nullptr)).*method)(context, request, &response);
        },
        patience);
    if (!status.ok()) return status;
    return response;
  }

  // For streams, which have no deadline.
  v1::JobService::StubInterface& jobs() { return *jobs_; }
  absl::Status ToStatus(const grpc::Status& status) const;

 private:
  using OneCall = std::function<grpc::Status(grpc::ClientContext*)>;

  Client(std::string address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
         absl::Duration timeout, Interrupt* interrupt);

  absl::Status CallOnce(const OneCall& call);
  absl::Status CallUntil(const OneCall& call, absl::Duration patience);
  v1::JobService::StubInterface& StubOf(v1::JobService::StubInterface*) { return *jobs_; }
  v1::ClusterService::StubInterface& StubOf(v1::ClusterService::StubInterface*) {
    return *cluster_;
  }

  std::string address_;
  absl::Duration timeout_;
  Interrupt* interrupt_;
  std::unique_ptr<v1::JobService::StubInterface> jobs_;
  std::unique_ptr<v1::ClusterService::StubInterface> cluster_;
};

using Jobs = v1::JobService::StubInterface;
using Cluster = v1::ClusterService::StubInterface;

}  // namespace paci::cli
