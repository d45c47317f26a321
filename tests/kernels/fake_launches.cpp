// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for libcuda.so.1 where kernels are launched: a card of capability 9.0, whose calls are
// written down.
#include "tests/kernels/fake_launches.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace {

std::string failing, heard;
int failing_code = 0;
std::vector<void*> contexts;           // the thread's, the current one last
std::map<void*, std::string> modules;  // what they were loaded from
std::map<void*, std::string> functions;
std::uintptr_t next_handle = 0x1000;

int answer(const std::string& call, const std::string& of = {}) {
  heard += call + (of.empty() ? "" : " " + of) + "\n";
  return failing == call || failing == call + " " + of ? failing_code : 0;
}
void* handle() { return reinterpret_cast<void*>(next_handle += 16); }

}  // namespace

extern "C" {

void fake_fail(const char* call, int code) { failing = call, failing_code = code; }
void fake_forget() { heard.clear(), contexts.clear(), modules.clear(), functions.clear(); }
const char* fake_hear() { return heard.c_str(); }

int cuInit(unsigned) { return answer("cuInit"); }
int cuDeviceGet(int* device, int index) {
  *device = index + 100;
  return answer("cuDeviceGet", std::to_string(index));
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (device != 100) return 101;
  *value = attribute == 75 ? 9 : 0;
  return answer("cuDeviceGetAttribute");
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
  const int result = answer("cuDevicePrimaryCtxRetain", std::to_string(device));
  if (result == 0) *context = handle();
  return result;
}
int cuCtxGetCurrent(void** context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return answer("cuCtxGetCurrent");
}
int cuCtxPushCurrent_v2(void* context) {
  const int result = answer("cuCtxPushCurrent");
  if (result == 0) contexts.push_back(context);
  return result;
}
int cuCtxPopCurrent_v2(void** context) {
  if (contexts.empty()) return 201;
  *context = contexts.back();
  contexts.pop_back();
  return answer("cuCtxPopCurrent");
}
int cuModuleLoadData(void** module, const void* image) {
  const std::string binary = static_cast<const char*>(image);
  const int result = contexts.empty() ? 201 : answer("cuModuleLoadData", binary);
  if (result == 0) modules[*module = handle()] = binary;
  return result;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  const int result = modules.contains(module) ? answer("cuModuleGetFunction", name) : 400;
  if (result == 0) functions[*function = handle()] = name;
  return result;
}
int cuLaunchKernel(void* function, unsigned columns, unsigned rows, unsigned depth,
                   unsigned threads, unsigned, unsigned, unsigned shared, void* stream,
                   void** arguments, void** extra) {
  if (!functions.contains(function) || contexts.empty()) return 400;
  if (depth != 1 || shared != 0 || extra || !arguments) return 1;
  return answer("cuLaunchKernel", functions[function] + " " + std::to_string(columns) + "x" +
                                      std::to_string(rows) + " blocks of " +
                                      std::to_string(threads) + ", stream " +
                                      std::to_string(reinterpret_cast<std::uintptr_t>(stream)) +
                                      ", " + std::to_string(*static_cast<int*>(arguments[0])));
}
int cuGetErrorString(int code, const char** words) {
  *words = code == luthier::test::kFakeFull ? "out of memory"
                                            : "an illegal memory access was encountered";
  return 0;
}
}
