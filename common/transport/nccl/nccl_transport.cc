#include "common/transport/nccl/nccl_transport.h"

#include <list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/device/device_channel.h"
#include "common/transport/nccl/nccl_join.h"

namespace paci {
namespace {

// Joins of one direction that are not over. On the I/O thread only.
template <typename Control>
class Joins {
 public:
  using Join = std::shared_ptr<NcclJoin<Control>>;

  void Add(Join join) {
    joins_.remove_if([](const Join& other) { return other->is_over(); });
    joins_.push_back(std::move(join));
  }
  template <typename Predicate>
  void Cancel(Predicate is_meant) {
    for (const Join& join : std::list<Join>(joins_)) {
      if (!is_meant(join->link())) continue;
      join->Fail(absl::CancelledError(
          absl::StrCat("joining the link of ", ToString(join->link()), " was cancelled")));
    }
    joins_.remove_if([](const Join& join) { return join->is_over(); });
  }
  std::list<LinkId> links() const {
    std::list<LinkId> links;
    for (const Join& join : joins_) links.push_back(join->link());
    return links;
  }

 private:
  std::list<Join> joins_;
};

class NcclTransport final : public Transport {
 private:
  // The callback for the control's connection.
  template <typename Channel, typename Control, typename Done>
  auto Begin(const std::shared_ptr<Joins<Control>>& joins, const LinkId& link, absl::Time deadline,
             Done done) {
    auto shared_done = std::make_shared<Done>(std::move(done));
    auto join = std::make_shared<NcclJoin<Control>>(
        NcclLink{cuda_, nccl_, io_.get(), link, nullptr, nullptr}, deadline,
        [io = io_, shared_done](NcclJoin<Control>::Made end) {
          if (!end.ok()) return (*shared_done)(end.status());
          (*shared_done)(std::make_unique<Channel>(*std::move(end), io));
        });
    io_->RunAndWait([&] { joins->Add(join); });
    // Not the owner's pointer: the last one must not go on the control's thread, for which the I/O
    // thread may be waiting. Cancel returns after this was called.
    return [io = io_.get(), join](absl::StatusOr<std::unique_ptr<Control>> control) {
      auto shared_control =
          std::make_shared<absl::StatusOr<std::unique_ptr<Control>>>(std::move(control));
      io->Post([join, shared_control] { join->OnControl(std::move(*shared_control)); });
    };
  }

 public:
  NcclTransport(CudaApi* cuda, NcclApi* nccl, Transport* control)
      : cuda_(cuda), nccl_(nccl), control_(control) {}
  ~NcclTransport() override {
    std::list<LinkId> links;
    io_->RunAndWait([&] {
      links = accepting_->links();
      links.splice(links.end(), connecting_->links());
    });
    for (const LinkId& link : links) NcclTransport::Cancel(link.job_id, link.generation);
  }

  std::string address() const override { return control_->address(); }

  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    if (options.encrypt) return done(CannotEncrypt(link));
    control_->Accept(link, options, deadline,
                     Begin<DeviceReceiver<NcclEnd<ReceiveChannel>>>(accepting_, link, deadline,
                                                                    std::move(done)));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    if (options.encrypt) return done(CannotEncrypt(link));
    control_->Connect(
        address, link, options, deadline,
        Begin<DeviceSender<NcclEnd<SendChannel>>>(connecting_, link, deadline, std::move(done)));
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    const auto is_meant = [&](const LinkId& link) {
      return link.job_id == job_id && link.generation == generation;
    };
    // First, so that no connection of the control comes to a join that is over.
    control_->Cancel(job_id, generation);
    io_->RunAndWait([&] {
      accepting_->Cancel(is_meant);
      connecting_->Cancel(is_meant);
    });
  }

 private:
  static absl::Status CannotEncrypt(const LinkId& link) {
    return absl::InvalidArgumentError(absl::StrCat("the link of ", ToString(link),
                                                   " is to be encrypted, which NCCL does not do"));
  }

  CudaApi* const cuda_;
  NcclApi* const nccl_;
  Transport* const control_;
  const std::shared_ptr<IoThread> io_ = std::make_shared<IoThread>();
  const std::shared_ptr<Joins<ReceiveChannel>> accepting_ =
      std::make_shared<Joins<ReceiveChannel>>();
  const std::shared_ptr<Joins<SendChannel>> connecting_ = std::make_shared<Joins<SendChannel>>();
};

}  // namespace

std::unique_ptr<Transport> MakeNcclTransport(CudaApi* cuda, NcclApi* nccl, Transport* control) {
  return std::make_unique<NcclTransport>(cuda, nccl, control);
}

}  // namespace paci
