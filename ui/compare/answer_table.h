// SPDX-License-Identifier: GPL-3.0-or-later
// All samples and answers as one table, sorted by any column and filtered: where columns differ,
// where one is wrong, where only one is.
#pragma once

#include <QAbstractTableModel>
#include <QSortFilterProxyModel>
#include <QTimer>
#include <QWidget>

#include "ui/compare/live_comparison.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QTableView;

namespace luthier {

/// #, question, expected, then of each column its answer and one measure of it.
class AnswerModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  static constexpr int kSortRole = Qt::UserRole;
  static constexpr int kFirstAnswer = 3, kOfAColumn = 2;
  /// Whether its cells are figures: the row's number, a score.
  static bool is_figure(int column);

  explicit AnswerModel(LiveComparison& comparison, QObject* parent = nullptr)
      : QAbstractTableModel(parent), comparison_(comparison) {}
  void refresh();       ///< rows or columns are others
  void figures_grew();  ///< cells alone are
  void set_measure(const std::string& key);
  const std::string& measure() const { return measure_; }
  LiveComparison& comparison() const { return comparison_; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  LiveComparison& comparison_;
  std::string measure_ = "exact";
};

class AnswerFilter : public QSortFilterProxyModel {
  Q_OBJECT

 public:
  enum class Which { All, Differs, Wrong, OnlyWrong, Unanswered };

  explicit AnswerFilter(AnswerModel& model, QObject* parent = nullptr);
  /// `column`: of OnlyWrong.
  void set_which(Which which, std::size_t column = 0);
  void set_text(const QString& text);

 protected:
  bool filterAcceptsRow(int row, const QModelIndex& parent) const override;

 private:
  AnswerModel& model_;
  Which which_ = Which::All;
  std::size_t column_ = 0;
  QString text_;
};

/// Whether an answer is right: as the pattern says, where there is one, else by exact match; null:
/// nothing is expected, or it is not there.
std::optional<bool> answer_is_right(const ComparisonAnswer& answer);

class AnswerTable : public QWidget {
  Q_OBJECT

 public:
  explicit AnswerTable(LiveComparison& comparison, QWidget* parent = nullptr);

 signals:
  void opened(std::size_t row);

 private:
  void fill_choices();
  void apply();

  LiveComparison& comparison_;
  AnswerModel* model_;
  AnswerFilter* filter_;
  QTableView* view_;
  QComboBox *which_, *measure_;
  QLineEdit* search_;
  QLabel* count_;
  QTimer timer_;
};

}  // namespace luthier
