// SPDX-License-Identifier: GPL-3.0-or-later
// A forecast against what a run of the same recipe measures.
#pragma once

#include <QtTest>

#include "engine/nn/float_loops.h"
#include "engine/session/headless.h"

namespace luthier::test {

/// Trains by the recipe and holds its forecast against the highest measured peak.
inline void meets(const Recipe& recipe) {
  const auto forecast = plan(recipe);
  QVERIFY2(forecast.ok(), forecast ? "" : forecast.error().sentence().c_str());
  MetricsMemory most;
  const auto watch = [&](const SessionEvent& event) {
    const auto* step = std::get_if<StepDone>(&event);
    if (step && step->line.memory.peak > most.peak) most = step->line.memory;
  };
  const auto result = train_headless(recipe, {}, watch, {});
  QVERIFY2(result.ok(), result ? "" : result.error().sentence().c_str());
  const MemoryParts& parts = forecast->parts;
  const auto mebibytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  const double ratio = static_cast<double>(parts.total()) / static_cast<double>(most.peak);
  qInfo(
      "forecast %.2f MiB, measured %.2f MiB, ratio %.3f (weights %.2f %.2f, adapter %.2f %.2f, "
      "gradients %.2f %.2f, optimizer %.2f %.2f, activations %.2f + %.2f %.2f)",
      mebibytes(parts.total()), mebibytes(most.peak), ratio, mebibytes(parts.weights),
      mebibytes(most.weights), mebibytes(parts.adapter), mebibytes(most.adapter),
      mebibytes(parts.gradients), mebibytes(most.gradients), mebibytes(parts.optimizer),
      mebibytes(most.optimizer), mebibytes(parts.activations), mebibytes(parts.workspace),
      mebibytes(most.activations));
  // Without AVX-512 the forecast of samples that are drawn is up to 5.4 % too much.
  QVERIFY(ratio > 0.95 && ratio < (floats::available() ? 1.05 : 1.06));
}

}  // namespace luthier::test
