// SPDX-License-Identifier: GPL-3.0-or-later
// The adapters of a merge, each with its weight: a slider for the usual ones, a field for any.
#pragma once

#include <QWidget>
#include <filesystem>
#include <vector>

#include "engine/base/result.h"

class QDoubleSpinBox;
class QLabel;
class QSlider;
class QVBoxLayout;

namespace luthier {

struct WeightedAdapter {
  QString name, folder;
  double weight = 1;
};

class WeightList : public QWidget {
  Q_OBJECT

 public:
  explicit WeightList(QWidget* parent = nullptr);

  /// Nothing happens where the same folder stands there.
  Status add(const QString& folder);
  std::vector<WeightedAdapter> adapters() const;
  /// These in the place of what stands there; where one is gone, nothing changes.
  Status show(const std::vector<std::filesystem::path>& folders,
              const std::vector<double>& weights);

 signals:
  /// A slider was let go, a number entered, an adapter added or taken away.
  void changed();

 private:
  struct Row {
    WeightedAdapter adapter;
    QWidget* widget;
    QSlider* slider;
    QDoubleSpinBox* field;
  };
  void make_row(const WeightedAdapter& adapter, const QString& facts);
  void take(const QString& folder, double weight);
  void remove(const QString& folder);
  Row* row_of(const QString& folder);

  QVBoxLayout* layout_;
  std::vector<Row> rows_;
};

}  // namespace luthier
