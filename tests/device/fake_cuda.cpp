// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for libcuda.so.1: the entries that the engine asks, answering as a test says.
#include <cstdio>
#include <cstring>

#include "tests/device/fake_driver.h"

using namespace luthier::test;

namespace {

/// The card behind a device's handle, which is not its number (as nothing says that it is).
const FakeCard* card_at(int device, std::vector<FakeCard>& cards) {
  cards = fake_cards();
  const int index = device - 100;
  return index >= 0 && index < static_cast<int>(cards.size())
             ? &cards[static_cast<std::size_t>(index)]
             : nullptr;
}

constexpr int kInvalidDevice = 101, kInvalidValue = 1, kUnknown = 999;

}  // namespace

extern "C" {

int cuInit(unsigned) { return fake_failure("cuInit"); }

int cuDriverGetVersion(int* version) {
  if (const int failure = fake_failure("cuDriverGetVersion")) return failure;
  const char* told = std::getenv(kFakeCudaVersion);
  *version = told ? std::atoi(told) : 13000;
  return 0;
}

int cuDeviceGetCount(int* count) {
  if (const int failure = fake_failure("cuDeviceGetCount")) return failure;
  *count = static_cast<int>(fake_cards().size());
  return 0;
}

int cuDeviceGet(int* device, int index) {
  if (const int failure = fake_failure("cuDeviceGet")) return failure;
  *device = index + 100;
  return 0;
}

int cuDeviceGetName(char* name, int length, int device) {
  if (const int failure = fake_failure("cuDeviceGetName")) return failure;
  std::vector<FakeCard> cards;
  const FakeCard* card = card_at(device, cards);
  if (!card) return kInvalidDevice;
  std::snprintf(name, static_cast<std::size_t>(length), "%s", card->name.c_str());
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (const int failure = fake_failure("cuDeviceGetAttribute")) return failure;
  std::vector<FakeCard> cards;
  const FakeCard* card = card_at(device, cards);
  if (!card) return kInvalidDevice;
  switch (attribute) {
    case 20: *value = card->mode; break;
    case 75: *value = card->major; break;
    case 76: *value = card->minor; break;
    default: return kInvalidValue;
  }
  return 0;
}

int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
  if (const int failure = fake_failure("cuDeviceTotalMem_v2")) return failure;
  std::vector<FakeCard> cards;
  const FakeCard* card = card_at(device, cards);
  if (!card) return kInvalidDevice;
  if (card->total == 0) return kUnknown;  // a card that fell off the bus
  *bytes = card->total;
  return 0;
}

int cuDeviceGetUuid(unsigned char* identity, int device) {
  if (const int failure = fake_failure("cuDeviceGetUuid")) return failure;
  std::memset(identity, kFakeIdentity, 16);
  identity[15] = static_cast<unsigned char>(device - 100);
  return 0;
}
}
