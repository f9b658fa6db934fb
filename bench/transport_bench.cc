// What a TCP channel over loopback moves, beside bare send and recv calls on the same frames: the
// limit of this machine. `of_raw` is the ratio of speeds, `cpu_of_raw` that of processor time, both
// measured in turns within one run. A stream keeps a few frames posted ahead, as a stage does.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/transport/tcp/tcp_transport.h"

namespace paci {
namespace {

constexpr int kAhead = 4;  // frames posted at either end

template <typename Channel>
class Arrival {
 public:
  auto Callback() {
    return [this](absl::StatusOr<std::unique_ptr<Channel>> channel) {
      channel_ = *std::move(channel);
      is_here_.Notify();
    };
  }
  std::unique_ptr<Channel> Take() {
    is_here_.WaitForNotification();
    return std::move(channel_);
  }

 private:
  std::unique_ptr<Channel> channel_;
  absl::Notification is_here_;
};

struct Link {
  Link(Transport& from, Transport& to, uint32_t stage, const LinkOptions& options) {
    const LinkId link{"bench-1", 1, stage, stage + 1};
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    Arrival<SendChannel> sending;
    Arrival<ReceiveChannel> receiving;
    to.Accept(link, options, deadline, receiving.Callback());
    from.Connect(to.address(), link, options, deadline, sending.Callback());
    sender = sending.Take();
    receiver = receiving.Take();
  }

  std::unique_ptr<SendChannel> sender;
  std::unique_ptr<ReceiveChannel> receiver;
};

// Counts down the transfers under way. Thread-safe.
class Window {
 public:
  void Begin() {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this] { return under_way_ < kAhead; };
    mutex_.Await(absl::Condition(&has_room));
    ++under_way_;
  }
  TransferDone End() {
    return [this](const absl::Status& status) {
      if (!status.ok()) std::abort();
      absl::MutexLock lock(&mutex_);
      --under_way_;
    };
  }
  void AwaitEmpty() {
    absl::MutexLock lock(&mutex_);
    const auto is_empty = [this] { return under_way_ == 0; };
    mutex_.Await(absl::Condition(&is_empty));
  }

 private:
  absl::Mutex mutex_;
  int under_way_ = 0;
};

using Buffers = std::vector<std::vector<std::byte>>;
Buffers MakeBuffers(size_t bytes) {
  return Buffers(kAhead, std::vector<std::byte>(bytes, std::byte{1}));
}

class ChannelStream {
 public:
  ChannelStream(size_t bytes, const LinkOptions& options)
      : link_(*from_, *to_, 0, options), sent_(MakeBuffers(bytes)), received_(sent_) {}

  void Move(int frames) {
    std::thread receiving([&] {
      Window window;
      for (int i = 0; i < frames; ++i) {
        window.Begin();
        link_.receiver->Receive({FrameKind::kActivation, 0, next_received_++},
                                absl::MakeSpan(received_[i % kAhead]), window.End());
      }
      window.AwaitEmpty();
    });
    Window window;
    for (int i = 0; i < frames; ++i) {
      window.Begin();
      link_.sender->Send({FrameKind::kActivation, 0, next_sent_++}, sent_[i % kAhead],
                         window.End());
    }
    window.AwaitEmpty();
    receiving.join();
  }

 private:
  const std::unique_ptr<Transport> from_ = *ListenTcp(TcpOptions());
  const std::unique_ptr<Transport> to_ = *ListenTcp(TcpOptions());
  Link link_;
  Buffers sent_;
  Buffers received_;
  uint64_t next_sent_ = 0;
  uint64_t next_received_ = 0;
};

// A connected pair of TCP sockets over loopback.
struct RawPair {
  RawPair() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, any, size) != 0 || listen(listener, 1) != 0) std::abort();
    getsockname(listener, any, &size);
    from = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(from, any, size) != 0) std::abort();
    to = accept(listener, nullptr, nullptr);
    close(listener);
    const int on = 1;
    for (const int fd : {from, to}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~RawPair() {
    close(from);
    close(to);
  }
  static void Send(int fd, const std::vector<std::byte>& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t now = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) std::abort();
      sent += now;
    }
  }
  static void Receive(int fd, std::vector<std::byte>& bytes) {
    if (recv(fd, bytes.data(), bytes.size(), MSG_WAITALL) != ssize_t(bytes.size())) std::abort();
  }

  int from;
  int to;
};

class RawStream {
 public:
  explicit RawStream(size_t bytes) : sent_(MakeBuffers(bytes)), received_(sent_) {}

  void Move(int frames) {
    std::thread receiving([&] {
      for (int i = 0; i < frames; ++i) RawPair::Receive(pair_.to, received_[i % kAhead]);
    });
    for (int i = 0; i < frames; ++i) RawPair::Send(pair_.from, sent_[i % kAhead]);
    receiving.join();
  }

 private:
  RawPair pair_;
  Buffers sent_;
  Buffers received_;
};

// Of all threads of this process.
double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <typename Work>
double SecondsOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// How frames are guarded: 0 not at all, 1 by a checksum each, 2 by TLS.
LinkOptions OptionsOf(const benchmark::State& state) {
  return {"secret", state.range(1) == 1, state.range(1) == 2};
}

// [frame bytes, guard]
void OneWay(benchmark::State& state) {
  const size_t bytes = state.range(0);
  ChannelStream channel(bytes, OptionsOf(state));
  RawStream raw(bytes);
  const int frames = static_cast<int>((256 << 20) / bytes);
  channel.Move(frames / 4);
  raw.Move(frames / 4);
  double channel_seconds = 0;
  double raw_seconds = 0;
  double channel_cpu = 0;
  double raw_cpu = 0;
  for (auto _ : state) {
    const double begin = CpuSeconds();
    const double seconds = SecondsOf([&] { channel.Move(frames); });
    const double middle = CpuSeconds();
    raw_seconds += SecondsOf([&] { raw.Move(frames); });
    channel_seconds += seconds;
    channel_cpu += middle - begin;
    raw_cpu += CpuSeconds() - middle;
    state.SetIterationTime(seconds);
  }
  const double total =
      static_cast<double>(state.iterations()) * frames * static_cast<double>(bytes);
  state.counters["GB/s"] = total / channel_seconds / 1e9;
  state.counters["raw_GB/s"] = total / raw_seconds / 1e9;
  state.counters["of_raw"] = raw_seconds / channel_seconds;
  state.counters["cpu_of_raw"] = channel_cpu / raw_cpu;
}
BENCHMARK(OneWay)
    ->ArgNames({"bytes", "guard"})
    ->ArgsProduct({{64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}, {0, 1, 2}})
    ->UseManualTime()
    ->Iterations(8)
    ->Unit(benchmark::kMillisecond);

// There and back, one frame at a time, answered on a thread of its own. [frame bytes, guard]
void RoundTrip(benchmark::State& state) {
  constexpr int kTrips = 500;
  const size_t bytes = state.range(0);
  const auto a = *ListenTcp(TcpOptions()), b = *ListenTcp(TcpOptions());
  const LinkOptions options = OptionsOf(state);
  const Link there(*a, *b, 0, options), back(*b, *a, 1, options);
  std::vector<std::byte> at_a(bytes), at_b(bytes);
  uint64_t index = 0;
  const auto receive = [](const Link& link, uint64_t i, std::vector<std::byte>& into) {
    absl::Notification is_here;
    link.receiver->Receive({FrameKind::kActivation, 0, i}, absl::MakeSpan(into),
                           [&](const absl::Status&) { is_here.Notify(); });
    is_here.WaitForNotification();
  };
  const auto send = [](const Link& link, uint64_t i, const std::vector<std::byte>& bytes) {
    link.sender->Send({FrameKind::kActivation, 0, i}, bytes, [](const absl::Status&) {});
  };
  RawPair raw;
  double channel_seconds = 0;
  double raw_seconds = 0;
  for (auto _ : state) {
    const double seconds = SecondsOf([&] {
      std::thread answering([&, first = index] {
        for (uint64_t i = first; i < first + kTrips; ++i) {
          receive(there, i, at_b);
          send(back, i, at_b);
        }
      });
      for (int i = 0; i < kTrips; ++i, ++index) {
        send(there, index, at_a);
        receive(back, index, at_a);
      }
      answering.join();
    });
    raw_seconds += SecondsOf([&] {
      std::thread answering([&] {
        for (int i = 0; i < kTrips; ++i) {
          RawPair::Receive(raw.to, at_b);
          RawPair::Send(raw.to, at_b);
        }
      });
      for (int i = 0; i < kTrips; ++i) {
        RawPair::Send(raw.from, at_a);
        RawPair::Receive(raw.from, at_a);
      }
      answering.join();
    });
    channel_seconds += seconds;
    state.SetIterationTime(seconds);
  }
  const double trips = static_cast<double>(state.iterations()) * kTrips;
  state.counters["us"] = channel_seconds / trips * 1e6;
  state.counters["raw_us"] = raw_seconds / trips * 1e6;
  state.counters["of_raw"] = raw_seconds / channel_seconds;
}
BENCHMARK(RoundTrip)
    ->ArgNames({"bytes", "guard"})
    ->ArgsProduct({{64, 64 << 10, 1 << 20, 4 << 20}, {0, 1, 2}})
    ->UseManualTime()
    ->Iterations(4);

}  // namespace
}  // namespace paci
