#include "coordinator/service/job_service.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/job_rules.h"
#include "coordinator/service/answer.h"

namespace paci {
namespace {

constexpr size_t kMaxRequestIdBytes = 64;
constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxSpecBytes = 65536;
constexpr size_t kMaxPromptBytes = 65536;

// A message of gRPC is limited to 4 MiB; whoever asks goes on after the last one of an answer. A
// point has about 50 bytes. An event has a sentence of about 100, and of at most 2000.
constexpr size_t kMaxAnswerBytes = 4 << 20;
constexpr size_t kPointsAnAnswer = 65536;
constexpr size_t kEventsAnAnswer = 16384;
constexpr size_t kEventBytesAnAnswer = 3 << 20;
// The store's integers end here; nothing comes after.
constexpr uint64_t kLastNumber = INT64_MAX - 1;

absl::Status CheckLength(absl::string_view what, size_t bytes, size_t limit) {
  if (bytes <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", bytes, " bytes; expected at most ", limit));
}

absl::Status CheckSubmit(const v1::SubmitJobRequest& request) {
  const v1::JobSpec& spec = request.spec();
  for (const absl::Status& status :
       {CheckLength("request_id", request.request_id().size(), kMaxRequestIdBytes),
        CheckLength("spec", spec.ByteSizeLong(), kMaxSpecBytes),
        CheckLength("data.validation", spec.data().validation().size(), kMaxPathBytes),
        CheckLength("the folder to resume from", request.resume_from().directory().size(),
                    kMaxPathBytes),
        CheckLength("checkpoint.dir", spec.checkpoint().dir().size(), kMaxPathBytes)}) {
    if (!status.ok()) return status;
  }
  for (const std::string& path : spec.data().train()) {
    const absl::Status valid = CheckLength("data.train", path.size(), kMaxPathBytes);
    if (!valid.ok()) return valid;
  }
  return ValidateSpec(spec);
}

}  // namespace

grpc::ServerUnaryReactor* JobServiceImpl::SubmitJob(Context* context,
                                                    const v1::SubmitJobRequest* request,
                                                    v1::Job* response) {
  if (const absl::Status valid = CheckSubmit(*request); !valid.ok()) {
    return AnswerNow(context, valid);
  }
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Submit(*request, state.now);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::GetJob(Context* context, const v1::GetJobRequest* request,
                                                 v1::Job* response) {
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Get(request->job_id());
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ListJobs(Context* context,
                                                   const v1::ListJobsRequest* /*request*/,
                                                   v1::ListJobsResponse* response) {
  return Answer<v1::ListJobsResponse>(
      core_, context, response, [](CoreState& state) -> absl::StatusOr<v1::ListJobsResponse> {
        v1::ListJobsResponse listed;
        for (v1::Job& job : state.controller.List()) {
          job.clear_stages();
          *listed.add_jobs() = std::move(job);
        }
        if (listed.ByteSizeLong() < kMaxAnswerBytes) return listed;
        return absl::ResourceExhaustedError(
            absl::StrCat("the ", listed.jobs_size(),
                         " jobs of the store do not fit into one answer; delete jobs that have "
                         "ended, or ask for one by its id"));
      });
}

grpc::ServerWriteReactor<v1::Job>* JobServiceImpl::WatchJob(Context* /*context*/,
                                                            const v1::WatchJobRequest* request) {
  return watchers_->Watch(core_, *request);
}

grpc::ServerUnaryReactor* JobServiceImpl::CancelJob(Context* context,
                                                    const v1::CancelJobRequest* request,
                                                    v1::Job* response) {
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Cancel(request->job_id(), state.now);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::PauseJob(Context* context,
                                                   const v1::PauseJobRequest* request,
                                                   v1::Job* response) {
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Pause(request->job_id(), state.now);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ResumeJob(Context* context,
                                                    const v1::ResumeJobRequest* request,
                                                    v1::Job* response) {
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Resume(request->job_id(), state.now);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::DeleteJob(Context* context,
                                                    const v1::DeleteJobRequest* request,
                                                    v1::DeleteJobResponse* response) {
  return Answer<v1::DeleteJobResponse>(
      core_, context, response,
      [request](CoreState& state) -> absl::StatusOr<v1::DeleteJobResponse> {
        const absl::Status deleted = state.controller.Delete(request->job_id(), state.now);
        if (!deleted.ok()) return deleted;
        return v1::DeleteJobResponse();
      });
}

grpc::ServerUnaryReactor* JobServiceImpl::RescaleJob(Context* context,
                                                     const v1::RescaleJobRequest* request,
                                                     v1::Job* response) {
  return Answer<v1::Job>(core_, context, response, [request](CoreState& state) {
    return state.controller.Rescale(request->job_id(), request->stages(), state.now);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ListEvents(Context* context,
                                                     const v1::ListEventsRequest* request,
                                                     v1::ListEventsResponse* response) {
  return Answer<v1::ListEventsResponse>(
      core_, context, response,
      [request](CoreState& state) -> absl::StatusOr<v1::ListEventsResponse> {
        v1::ListEventsResponse listed;
        const absl::StatusOr<v1::Job> job = state.controller.Get(request->job_id());
        if (!job.ok()) return job.status();
        if (request->after_sequence() > kLastNumber) return listed;
        absl::StatusOr<std::vector<v1::Event>> events =
            state.store.Events(request->job_id(), request->after_sequence(), kEventsAnAnswer);
        if (!events.ok()) return events.status();
        size_t bytes = 0;
        for (v1::Event& event : *events) {
          bytes += event.ByteSizeLong();
          if (bytes > kEventBytesAnAnswer) break;
          *listed.add_events() = std::move(event);
        }
        return listed;
      });
}

grpc::ServerUnaryReactor* JobServiceImpl::GetMetrics(Context* context,
                                                     const v1::GetMetricsRequest* request,
                                                     v1::GetMetricsResponse* response) {
  return Answer<v1::GetMetricsResponse>(
      core_, context, response,
      [request](CoreState& state) -> absl::StatusOr<v1::GetMetricsResponse> {
        v1::GetMetricsResponse listed;
        const absl::StatusOr<v1::Job> job = state.controller.Get(request->job_id());
        if (!job.ok()) return job.status();
        if (request->after_update() > kLastNumber) return listed;
        std::optional<uint64_t> after;
        if (request->after_update() > 0) after = request->after_update();
        absl::StatusOr<std::vector<v1::MetricPoint>> points =
            state.store.Points(request->job_id(), after, kPointsAnAnswer);
        if (!points.ok()) return points.status();
        for (v1::MetricPoint& point : *points) *listed.add_points() = std::move(point);
        return listed;
      });
}

grpc::ServerUnaryReactor* JobServiceImpl::Generate(Context* context,
                                                   const v1::GenerateRequest* request,
                                                   v1::GenerateResponse* response) {
  const absl::Status valid = CheckLength("the prompt", request->prompt().size(), kMaxPromptBytes);
  if (!valid.ok()) return AnswerNow(context, valid);
  return generate_calls_->Begin(core_, *request, response);
}

grpc::ServerWriteReactor<v1::StageTrace>* JobServiceImpl::TraceJob(
    Context* /*context*/, const v1::TraceJobRequest* request) {
  return trace_calls_->Begin(core_, *request);
}

grpc::ServerUnaryReactor* JobServiceImpl::DiagnoseJob(Context* context,
                                                      const v1::DiagnoseJobRequest* request,
                                                      v1::Diagnosis* response) {
  return Answer<v1::Diagnosis>(core_, context, response, [request](CoreState& state) {
    return state.controller.Diagnose(request->job_id(), state.now);
  });
}

}  // namespace paci
