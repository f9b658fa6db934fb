#include "common/gpu/loaded_nccl.h"

#include <nccl.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/gpu/shared_library.h"

namespace paci {
namespace {

constexpr int kOldest = NCCL_VERSION(2, 18, 0);  // of non-blocking point-to-point calls

struct Functions {
  decltype(ncclGetVersion)* version = nullptr;
  decltype(ncclGetUniqueId)* unique_id = nullptr;
  decltype(ncclCommInitRankConfig)* init = nullptr;
  decltype(ncclCommGetAsyncError)* async_error = nullptr;
  decltype(ncclCommAbort)* abort = nullptr;
  decltype(ncclSend)* send = nullptr;
  decltype(ncclRecv)* receive = nullptr;
  decltype(ncclGetErrorString)* error_string = nullptr;
  decltype(ncclGetLastError)* last_error = nullptr;
};

std::string VersionText(int version) {
  return absl::StrCat(version / 10000, ".", version / 100 % 100, ".", version % 100);
}

absl::StatusOr<Functions> Load() {
  const auto library = SharedLibrary::Open("libnccl.so.2", "NCCL");
  if (!library.ok()) return library.status();
  Functions nccl;
  absl::Status found = library->Find("ncclGetVersion", nccl.version);
  int version = 0;
  if (found.ok() && nccl.version(&version) == ncclSuccess && version < kOldest) {
    return absl::FailedPreconditionError(absl::StrCat("libnccl.so.2 is NCCL ", VersionText(version),
                                                      "; expected ", VersionText(kOldest),
                                                      " or newer"));
  }
  found.Update(library->Find("ncclGetUniqueId", nccl.unique_id));
  found.Update(library->Find("ncclCommInitRankConfig", nccl.init));
  found.Update(library->Find("ncclCommGetAsyncError", nccl.async_error));
  found.Update(library->Find("ncclCommAbort", nccl.abort));
  found.Update(library->Find("ncclSend", nccl.send));
  found.Update(library->Find("ncclRecv", nccl.receive));
  found.Update(library->Find("ncclGetErrorString", nccl.error_string));
  found.Update(library->Find("ncclGetLastError", nccl.last_error));
  if (!found.ok()) return found;
  return nccl;
}

class LoadedNccl final : public NcclApi {
 public:
  explicit LoadedNccl(Functions nccl) : nccl_(nccl) {}

  absl::StatusOr<NcclId> MakeId() override {
    ncclUniqueId made;
    NcclId id;
    static_assert(sizeof(made) == sizeof(id));
    const auto progress = Check(nccl_.unique_id(&made), nullptr, "making an id");
    if (!progress.ok()) return progress.status();
    std::memcpy(id.data(), &made, id.size());
    return id;
  }

  absl::StatusOr<NcclComm> Join(const NcclId& id, int rank) override {
    ncclUniqueId unique_id;
    std::memcpy(&unique_id, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t comm = nullptr;
    const auto progress =
        Check(nccl_.init(&comm, 2, unique_id, rank, &config), comm, "joining a communicator");
    if (!progress.ok()) {
      if (comm != nullptr) Abort(comm);
      return progress.status();
    }
    return comm;
  }

  absl::StatusOr<Progress> Poll(NcclComm comm) override {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = nccl_.async_error(static_cast<ncclComm_t>(comm), &state);
    return Check(asked != ncclSuccess ? asked : state, comm, "in the background");
  }

  absl::StatusOr<Progress> Send(NcclComm comm, absl::Span<const std::byte> payload,
                                CudaStream stream) override {
    return Check(nccl_.send(payload.data(), payload.size(), ncclUint8, /*peer=*/1,
                            static_cast<ncclComm_t>(comm), static_cast<cudaStream_t>(stream)),
                 comm, "sending");
  }
  absl::StatusOr<Progress> Receive(NcclComm comm, absl::Span<std::byte> into,
                                   CudaStream stream) override {
    return Check(nccl_.receive(into.data(), into.size(), ncclUint8, /*peer=*/0,
                               static_cast<ncclComm_t>(comm), static_cast<cudaStream_t>(stream)),
                 comm, "receiving");
  }

  void Abort(NcclComm comm) override { (void)nccl_.abort(static_cast<ncclComm_t>(comm)); }

 private:
  absl::StatusOr<Progress> Check(ncclResult_t result, NcclComm comm, absl::string_view what) const {
    if (result == ncclSuccess) return Progress::kDone;
    if (result == ncclInProgress) return Progress::kUnderWay;
    const char* const detail = nccl_.last_error(static_cast<ncclComm_t>(comm));
    const std::string text = absl::StrCat("NCCL, ", what, ": ", nccl_.error_string(result),
                                          detail == nullptr || *detail == 0 ? "" : ": ",
                                          detail == nullptr ? "" : detail);
    return result == ncclRemoteError ? absl::UnavailableError(text) : absl::InternalError(text);
  }

  const Functions nccl_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<NcclApi>> OpenNccl() {
  const absl::StatusOr<Functions> functions = Load();
  if (!functions.ok()) return functions.status();
  return std::make_unique<LoadedNccl>(*functions);
}

absl::StatusOr<std::string> NcclVersion() {
  const absl::StatusOr<Functions> functions = Load();
  if (!functions.ok()) return functions.status();
  int version = 0;
  functions->version(&version);
  return VersionText(version);
}

std::string NcclDeviceId(absl::string_view uuid) {
  const char* const host = std::getenv("NCCL_HOSTID");
  return absl::StrCat(uuid, host == nullptr ? "" : "@", host == nullptr ? "" : host);
}

}  // namespace paci
