// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for libnvidia-ml.so.1. It lists its cards in another order than the driver does, as the
// real one may: only an identity finds the right one.
#include <cstdio>
#include <cstring>

#include "tests/device/fake_driver.h"

using namespace luthier::test;

namespace {

struct Memory {
  unsigned long long total, free, used;
};
constexpr int kNotFound = 6;

}  // namespace

extern "C" {

int nvmlInit_v2() { return fake_failure("nvmlInit_v2"); }

int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  if (const int failure = fake_failure("nvmlSystemGetDriverVersion")) return failure;
  std::snprintf(version, length, "550.54.15");
  return 0;
}

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (const int failure = fake_failure("nvmlDeviceGetHandleByUUID")) return failure;
  const std::size_t count = fake_cards().size();
  for (std::size_t i = count; i-- > 0;) {
    char own[64];
    std::snprintf(own, sizeof own, "GPU-abababab-abab-abab-abab-ababababab%02x",
                  static_cast<unsigned>(i));
    if (std::strcmp(uuid, own) != 0) continue;
    *device = reinterpret_cast<void*>(i + 1);
    return 0;
  }
  return kNotFound;
}

int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  if (const int failure = fake_failure("nvmlDeviceGetMemoryInfo")) return failure;
  const FakeCard card = fake_cards().at(reinterpret_cast<std::size_t>(device) - 1);
  *memory = {card.total, card.free, card.total - card.free};
  return 0;
}
}
