// SPDX-License-Identifier: GPL-3.0-or-later
// Fibers are POSIX contexts. Sanitizers are told of each change of stacks.
#include "tests/kernels/thread_loop.h"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace luthier::shim {

Places places;

namespace {

constexpr std::size_t kStack = 128 << 10;
constexpr unsigned kLanes = 32;

enum class State { Ready, AtBlock, AtWarp, Done };

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack;
  State state = State::Done;
  void* fake_stack = nullptr;  // AddressSanitizer's
  void* known_as = nullptr;    // ThreadSanitizer's
};

/// The loop's own side of a change of stacks.
struct Home {
  ucontext_t context{};
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
  void* known_as = nullptr;
};

std::vector<Fiber> fibers;
std::vector<std::array<float, kLanes>> lanes;  // of each warp: what its lanes hand over
Home home;
Fiber* running = nullptr;
const std::function<void()>* body_of_all = nullptr;

void leave_fiber(State state) {
  Fiber& self = *running;
  self.state = state;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(state == State::Done ? nullptr : &self.fake_stack, home.bottom,
                                 home.size);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(home.known_as, 0);
#endif
  swapcontext(&self.context, &home.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self.fake_stack, &home.bottom, &home.size);
#endif
}

void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &home.bottom, &home.size);
#endif
  (*body_of_all)();
  leave_fiber(State::Done);
}

void enter_fiber(Fiber& fiber) {
  running = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&home.fake_stack, fiber.stack.get(), kStack);
#endif
#if defined(__SANITIZE_THREAD__)
  home.known_as = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber.known_as, 0);
#endif
  swapcontext(&home.context, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(home.fake_stack, nullptr, nullptr);
#endif
  running = nullptr;
}

void make_ready(Fiber& fiber) {
  if (!fiber.stack) {
    fiber.stack.reset(new char[kStack]);
#if defined(__SANITIZE_THREAD__)
    fiber.known_as = __tsan_create_fiber(0);
#endif
  }
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiber_main, 0);
  fiber.state = State::Ready;
  fiber.fake_stack = nullptr;
}

/// Lets threads go on that all others of their warp or block have joined; false: there are none.
bool release(unsigned threads) {
  bool released = false;
  for (unsigned warp = 0; warp < threads; warp += kLanes) {
    const unsigned end = std::min(threads, warp + kLanes);
    bool all = true;
    for (unsigned i = warp; i < end; ++i) all = all && fibers[i].state == State::AtWarp;
    for (unsigned i = warp; all && i < end; ++i) fibers[i].state = State::Ready;
    released = released || all;
  }
  if (released) return true;
  for (unsigned i = 0; i < threads; ++i)
    if (fibers[i].state != State::AtBlock) return false;
  for (unsigned i = 0; i < threads; ++i) fibers[i].state = State::Ready;
  return true;
}

void run_block(unsigned threads, Order order) {
  for (unsigned i = 0; i < threads; ++i) make_ready(fibers[i]);
  for (;;) {
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned thread = order == Order::Upwards ? i : threads - 1 - i;
      if (fibers[thread].state != State::Ready) continue;
      places.thread = {thread, 0, 0};
      enter_fiber(fibers[thread]);
    }
    unsigned done = 0;
    for (unsigned i = 0; i < threads; ++i) done += fibers[i].state == State::Done;
    if (done == threads) return;
    if (!release(threads))
      throw std::logic_error("threads wait for others that do not come; " + std::to_string(done) +
                             " of " + std::to_string(threads) + " are done");
  }
}

}  // namespace

void run(const Grid& grid, bool meets, Order order, const std::function<void()>& body) {
  if (meets && fibers.size() < grid.threads) fibers.resize(grid.threads);
  lanes.resize(std::max<std::size_t>(lanes.size(), (grid.threads + kLanes - 1) / kLanes));
  body_of_all = &body;
  places.block_size = {grid.threads, 1, 1};
  places.grid_size = {grid.columns, grid.rows, 1};
  for (unsigned row = 0; row < grid.rows; ++row) {
    for (unsigned column = 0; column < grid.columns; ++column) {
      places.block = {column, row, 0};
      if (meets) {
        run_block(grid.threads, order);
        continue;
      }
      for (unsigned i = 0; i < grid.threads; ++i) {
        places.thread = {order == Order::Upwards ? i : grid.threads - 1 - i, 0, 0};
        body();
      }
    }
  }
}

namespace {
void wait_as(State state) {
  if (!running) throw std::logic_error("a barrier in a kernel that was said to have none");
  const Place self = places.thread;
  leave_fiber(state);
  places.thread = self;
}
}  // namespace

void meet_block() { wait_as(State::AtBlock); }

float exchange(float value, int mask) {
  const unsigned lane = places.thread.x % kLanes;
  auto& warp = lanes[places.thread.x / kLanes];
  warp[lane] = value;
  wait_as(State::AtWarp);
  const float other = warp[lane ^ static_cast<unsigned>(mask)];
  wait_as(State::AtWarp);  // nobody writes again before all have read
  return other;
}

}  // namespace luthier::shim
