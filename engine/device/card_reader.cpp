// SPDX-License-Identifier: GPL-3.0-or-later
// The few entries that are asked for, with their types as the CUDA driver API and NVML document
// them: results are 0 for success, attributes 75 and 76 the two halves of a compute capability, 16
// the number of multiprocessors, 20 the compute mode, of which 2 is Prohibited.
#include "engine/device/card_reader.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "engine/base/library_entry.h"

namespace luthier {
namespace {

constexpr int kSuccess = 0;
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76, kMultiprocessors = 16,
              kComputeMode = 20;  // attributes
constexpr int kProhibited = 2;
constexpr int kMostCards = 1024;  // a driver that says more is broken

using Uuid = std::array<unsigned char, 16>;  // CUuuid's bytes

struct CudaDriver {
  int (*init)(unsigned) = nullptr;
  int (*driver_version)(int*) = nullptr;
  int (*device_count)(int*) = nullptr;
  int (*device)(int*, int) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*total)(std::size_t*, int) = nullptr;
  int (*uuid)(Uuid*, int) = nullptr;
};

struct ManagedMemory {  // nvmlMemory_t
  unsigned long long total, free, used;
};

struct Management {
  int (*init)() = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*by_uuid)(const char*, void**) = nullptr;
  int (*memory)(void*, ManagedMemory*) = nullptr;
};

bool open_driver(const std::string& path, CudaDriver& driver, std::string& problem) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const bool whole = library && find_entry(library, "cuInit", driver.init) &&
                     find_entry(library, "cuDriverGetVersion", driver.driver_version) &&
                     find_entry(library, "cuDeviceGetCount", driver.device_count) &&
                     find_entry(library, "cuDeviceGet", driver.device) &&
                     find_entry(library, "cuDeviceGetName", driver.name) &&
                     find_entry(library, "cuDeviceGetAttribute", driver.attribute) &&
                     find_entry(library, "cuDeviceTotalMem_v2", driver.total);
  if (!whole) problem = loader_words("the library cannot be loaded");
  // A slice of a card (MIG) has its own name in the newer entry only.
  if (whole && !find_entry(library, "cuDeviceGetUuid_v2", driver.uuid))
    find_entry(library, "cuDeviceGetUuid", driver.uuid);
  return whole;
}

bool open_management(const std::string& path, Management& management) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  if (!find_entry(library, "nvmlInit_v2", management.init) || management.init() != kSuccess)
    return false;
  find_entry(library, "nvmlSystemGetDriverVersion", management.driver_version);
  return find_entry(library, "nvmlDeviceGetHandleByUUID", management.by_uuid) &&
         find_entry(library, "nvmlDeviceGetMemoryInfo", management.memory);
}

/// "GPU-" (a slice: "MIG-") and the bytes as 8-4-4-4-12 digits, which is how NVML names a card.
std::string uuid_text(const char* kind, const Uuid& uuid) {
  std::string text = kind;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    char digits[4];
    std::snprintf(digits, sizeof digits, "%02x", uuid[i]);
    text += (i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "") + std::string(digits);
  }
  return text;
}

std::int64_t free_bytes(const Management& management, const Uuid& uuid) {
  for (const char* kind : {"GPU-", "MIG-"}) {
    void* card = nullptr;
    ManagedMemory memory{};
    if (management.by_uuid(uuid_text(kind, uuid).c_str(), &card) != kSuccess) continue;
    if (management.memory(card, &memory) == kSuccess) return static_cast<std::int64_t>(memory.free);
  }
  return -1;
}

}  // namespace

void read_driver(DeviceFacts& facts, const DriverLibraries& libraries) {
  facts.cards.clear();
  facts.driver_error = 0;
  facts.driver_call.clear();
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) facts.visible_devices = visible;
  CudaDriver driver;
  facts.driver_found = open_driver(libraries.cuda, driver, facts.driver_problem);
  if (!facts.driver_found) return;
  const auto succeeds = [&facts](const char* call, int result) {
    if (result == kSuccess) return true;
    facts.driver_error = result;
    facts.driver_call = call;
    return false;
  };
  Management management;
  const bool managed = open_management(libraries.management, management);
  char version[96] = "";
  if (management.driver_version && management.driver_version(version, sizeof version) == kSuccess)
    facts.driver_version = version;
  // Before cuInit: a driver that cannot start still says how old it is.
  if (!succeeds("cuDriverGetVersion", driver.driver_version(&facts.driver_cuda))) return;
  if (!succeeds("cuInit", driver.init(0))) return;
  int count = 0;
  if (!succeeds("cuDeviceGetCount", driver.device_count(&count))) return;
  for (int i = 0; i < count && i < kMostCards; ++i) {
    CardFacts card;
    int device = 0, major = 0, minor = 0;
    char name[256] = "";
    std::size_t total = 0;
    if (!succeeds("cuDeviceGet", driver.device(&device, i)) ||
        !succeeds("cuDeviceGetName", driver.name(name, sizeof name - 1, device)) ||
        !succeeds("cuDeviceGetAttribute", driver.attribute(&major, kCapabilityMajor, device)) ||
        !succeeds("cuDeviceGetAttribute", driver.attribute(&minor, kCapabilityMinor, device)) ||
        !succeeds("cuDeviceTotalMem_v2", driver.total(&total, device))) {
      facts.cards.clear();  // an order with holes would name the wrong card
      return;
    }
    card.name = name;
    card.capability = major * 10 + minor;
    card.total = static_cast<std::int64_t>(total);
    if (driver.attribute(&card.multiprocessors, kMultiprocessors, device) != kSuccess)
      card.multiprocessors = 0;  // nothing depends on it but a finer forecast
    int mode = 0;
    card.closed = driver.attribute(&mode, kComputeMode, device) == kSuccess && mode == kProhibited;
    Uuid uuid{};
    if (managed && driver.uuid && driver.uuid(&uuid, device) == kSuccess)
      card.free = free_bytes(management, uuid);
    facts.cards.push_back(std::move(card));
  }
}

}  // namespace luthier
