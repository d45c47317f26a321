// SPDX-License-Identifier: GPL-3.0-or-later
// The handler may only look at atomics and call mmap. It puts pages of zeros in the place of those
// that are gone; an error at any other address is none of ours and goes the way it would have gone.
#include "engine/io/guarded_mapping.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include "engine/io/system_error.h"

namespace luthier {

namespace {

struct Slot {
  std::atomic<bool> taken{false}, broken{false};
  std::atomic<std::uintptr_t> begin{0}, end{0};  ///< whole pages; begin 0: nothing is mapped
};

std::array<Slot, 64> slots;
struct sigaction before {};
std::uintptr_t page_size = 4096;

void on_bus_error(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const std::uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (begin == 0 || address < begin || address >= end) continue;
    slot.broken.store(true);
    const std::uintptr_t page = address / page_size * page_size;
    const void* zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros != MAP_FAILED) return;
  }
  ::sigaction(SIGBUS, &before, nullptr);  // the instruction runs again, and what follows is theirs
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction ours {};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO;
    sigemptyset(&ours.sa_mask);
    ::sigaction(SIGBUS, &ours, &before);
  });
}

}  // namespace

Result<GuardedMapping> GuardedMapping::open(int descriptor, std::uint64_t bytes,
                                            const std::filesystem::path& path) {
  GuardedMapping mapping;
  mapping.path_ = path;
  mapping.bytes_ = bytes;
  if (bytes == 0) return mapping;
  install_handler();
  mapping.slot_ = slots.size();
  for (std::size_t i = 0; i < slots.size() && mapping.slot_ == slots.size(); ++i) {
    if (!slots[i].taken.exchange(true)) mapping.slot_ = i;
  }
  if (mapping.slot_ == slots.size()) {
    return machine_error("Too many files are being read at once.", path.string());
  }
  Slot& slot = slots[mapping.slot_];
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED) {
    const int code = errno;
    slot.taken.store(false);
    return system_error("This file cannot be mapped into memory", path, code);
  }
  mapping.address_ = address;
  slot.broken.store(false);
  slot.end.store(reinterpret_cast<std::uintptr_t>(address) +
                 (bytes + page_size - 1) / page_size * page_size);
  slot.begin.store(reinterpret_cast<std::uintptr_t>(address));
  return mapping;
}

GuardedMapping::GuardedMapping(GuardedMapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      slot_(other.slot_),
      gone_(other.gone_),
      path_(std::move(other.path_)) {}

GuardedMapping::~GuardedMapping() {
  if (!address_) return;
  Slot& slot = slots[slot_];
  slot.begin.store(0);
  ::munmap(address_, bytes_);
  slot.taken.store(false);
}

void GuardedMapping::let_go(std::size_t end) const {
  constexpr std::size_t kPiece = std::size_t{8} << 20;  // whole pages
  if (!address_ || end < gone_ + kPiece) return;
  const std::size_t bytes = (std::min(end, bytes_) - gone_) / kPiece * kPiece;
  // A file's pages are never written here, so that nothing is lost; where it cannot be, it stays.
  (void)::madvise(static_cast<char*>(address_) + gone_, bytes, MADV_DONTNEED);
  gone_ += bytes;
}

Status GuardedMapping::check() const {
  if (!address_ || !slots[slot_].broken.load()) return {};
  return input_error("The file was changed while being read.", path_.string(),
                     "Wait until the program that writes it is done, then try again.");
}

}  // namespace luthier
