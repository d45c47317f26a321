// SPDX-License-Identifier: GPL-3.0-or-later
// Recording without a device: work goes on as it is. And what is taken of LibTorch's CUDA half by
// its names is there.
#include "engine/device/graph.h"

#include <dlfcn.h>

#include "engine/device/cuda_graph.h"

#if __has_include(<cuda_runtime_api.h>)
#include <ATen/cuda/CUDAGraph.h>
#define LUTHIER_HAS_CUDA_HEADERS 1
#endif

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

class TestGraph : public QObject {
  Q_OBJECT

 private slots:
  void nobody_records_on_the_cpu() {
    QVERIFY(!graph_recorder(c10::DeviceType::CPU));
    int done = 0;
    DeviceGraph graph(torch::kCPU, [&] { ++done; });
    for (int i = 0; i < 3; ++i) graph.run();
    QCOMPARE(done, 3);
    QVERIFY(!graph.recorded());
  }

  void it_is_asked_for_by_the_environment() {
    unsetenv("LUTHIER_GRAPHS");
    QVERIFY(!graphs_asked_for());
    setenv("LUTHIER_GRAPHS", "off", 1);
    QVERIFY(!graphs_asked_for());
    setenv("LUTHIER_GRAPHS", "on", 1);
    QVERIFY(graphs_asked_for());
    unsetenv("LUTHIER_GRAPHS");
  }

  void the_object_fits_its_room() {
#ifdef LUTHIER_HAS_CUDA_HEADERS
    QVERIFY2(sizeof(at::cuda::CUDAGraph) <= kGraphRoom,
             qPrintable(QString::number(sizeof(at::cuda::CUDAGraph))));
    QVERIFY(alignof(at::cuda::CUDAGraph) <= alignof(std::max_align_t));
    QCOMPARE(static_cast<int>(cudaStreamCaptureModeThreadLocal), kCaptureThisThread);
#else
    QSKIP("CUDA's headers are not here");
#endif
  }

  void its_members_are_there() {
    if (!dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_GLOBAL))
      QSKIP("LibTorch has no CUDA half here");
    QVERIFY(cuda_graph_recorder());
    QVERIFY(graph_recorder(c10::DeviceType::CUDA) == cuda_graph_recorder());
  }
};

QTEST_GUILESS_MAIN(TestGraph)
#include "test_graph.moc"
