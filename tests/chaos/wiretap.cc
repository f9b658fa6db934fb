#include "tests/chaos/wiretap.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"

namespace paci {

absl::StatusOr<std::unique_ptr<Wiretap>> Wiretap::Create() {
  Descriptor listening(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP)));
  if (listening.get() < 0) return absl::ErrnoToStatus(errno, "packets cannot be listened to");
  sockaddr_ll loopback{};
  loopback.sll_family = AF_PACKET;
  loopback.sll_protocol = htons(ETH_P_IP);
  loopback.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
  if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof(loopback)) != 0) {
    return absl::ErrnoToStatus(errno, "packets of lo cannot be listened to");
  }
  return absl::WrapUnique(new Wiretap(std::move(listening), Descriptor(eventfd(0, EFD_CLOEXEC))));
}

Wiretap::Wiretap(Descriptor socket, Descriptor end)
    : socket_(std::move(socket)), end_(std::move(end)), thread_([this] { Listen(); }) {}

Wiretap::~Wiretap() {
  eventfd_write(end_.get(), 1);
  thread_.join();
}

void Wiretap::Listen() {
  pollfd watched[2] = {{socket_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
  std::string packet;
  for (;;) {
    poll(watched, 2, -1);
    if (watched[1].revents != 0) return;
    packet.resize(1 << 17);
    sockaddr_ll from{};
    socklen_t size = sizeof(from);
    const ssize_t got = recvfrom(socket_.get(), packet.data(), packet.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;  // comes in, too
    packet.resize(got);
    Hear(packet);
  }
}

void Wiretap::Hear(const std::string& packet) {
  iphdr ip{};
  tcphdr tcp{};
  if (packet.size() < sizeof(ip) + sizeof(tcp)) return;
  std::memcpy(&ip, packet.data(), sizeof(ip));
  const size_t tcp_begin = ip.ihl * 4;
  if (ip.protocol != IPPROTO_TCP || packet.size() < tcp_begin + sizeof(tcp)) return;
  std::memcpy(&tcp, packet.data() + tcp_begin, sizeof(tcp));
  const size_t begin = tcp_begin + tcp.doff * 4;
  if (packet.size() < begin) return;
  absl::MutexLock lock(&mutex_);
  Said& said = said_[{ntohs(tcp.dest), ntohs(tcp.source)}];
  if (tcp.syn != 0) said = {ntohl(tcp.seq) + 1, ""};
  if (ntohl(tcp.seq) != said.next || said.bytes.size() >= kMost) return;
  said.bytes += packet.substr(begin, kMost - said.bytes.size());
  said.next += static_cast<uint32_t>(packet.size() - begin);
}

std::vector<std::string> Wiretap::SaidTo(uint16_t port) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> all;
  for (const auto& [ports, said] : said_) {
    if (ports.first == port && !said.bytes.empty()) all.push_back(said.bytes);
  }
  return all;
}

}  // namespace paci
