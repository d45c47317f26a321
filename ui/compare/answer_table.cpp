// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/answer_table.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/compare/scores.h"
#include "ui/compare/document_words.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/copied_table.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {
constexpr int kRefresh = 300;  // milliseconds between what grew and its being shown

bool is_number(const std::string& key) { return key == kCiderScore || key == kRewardScore; }
}  // namespace

bool AnswerModel::is_figure(int column) {
  return column == 0 || (column >= kFirstAnswer && (column - kFirstAnswer) % kOfAColumn != 0);
}

std::optional<bool> answer_is_right(const ComparisonAnswer& answer) {
  if (!answer.whole()) return {};
  for (const char* key : {"pattern", "exact"})
    if (const auto found = answer.scores.find(key); found != answer.scores.end())
      return found->second == 1;
  return {};
}

void AnswerModel::refresh() {
  beginResetModel();
  endResetModel();
}

void AnswerModel::figures_grew() {
  if (rowCount() > 0) emit dataChanged(index(0, 0), index(rowCount() - 1, columnCount() - 1));
}

void AnswerModel::set_measure(const std::string& key) {
  measure_ = key;
  figures_grew();
  emit headerDataChanged(Qt::Horizontal, 0, std::max(0, columnCount() - 1));
}

int AnswerModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(comparison_.data().rows.size());
}

int AnswerModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid()
             ? 0
             : kFirstAnswer + kOfAColumn * static_cast<int>(comparison_.data().columns.size());
}

QVariant AnswerModel::data(const QModelIndex& index, int role) const {
  const Comparison& data = comparison_.data();
  if (!index.isValid() || static_cast<std::size_t>(index.row()) >= data.rows.size()) return {};
  const ComparisonRow& row = data.rows[static_cast<std::size_t>(index.row())];
  const int column = index.column();
  const bool shown = role == Qt::DisplayRole || role == Qt::ToolTipRole || role == kSortRole;
  if (column == 0) {
    if (role == kSortRole) return index.row();
    if (role == Qt::DisplayRole) return index.row() + 1;
    if (role == Qt::TextAlignmentRole) return int(Qt::AlignRight | Qt::AlignVCenter);
    return role == Qt::ToolTipRole ? QVariant(QString::fromStdString(row.sample.where))
                                   : QVariant();
  }
  if (column == 1)
    return shown ? QVariant(QString::fromStdString(row.sample.question())) : QVariant();
  if (column == 2)
    return shown ? QVariant(QString::fromStdString(row.sample.expected().value_or("")))
                 : QVariant();
  const auto place = static_cast<std::size_t>((column - kFirstAnswer) / kOfAColumn);
  if (place >= row.answers.size()) return {};
  const ComparisonAnswer& answer = row.answers[place];
  if ((column - kFirstAnswer) % kOfAColumn == 0) {
    if (role == Qt::ForegroundRole && answer_is_right(answer) == false) return colours().error;
    return shown ? QVariant(QString::fromStdString(answer.text)) : QVariant();
  }
  const auto found = answer.scores.find(measure_);
  const bool there = answer.whole() && found != answer.scores.end();
  if (role == kSortRole) return there ? found->second : -1e300;
  if (role == Qt::TextAlignmentRole) return int(Qt::AlignRight | Qt::AlignVCenter);
  if (role != Qt::DisplayRole) return {};
  if (!there) return QStringLiteral("–");
  return is_number(measure_) ? QString::number(found->second, 'f', 3)
                             : percent_text(found->second, 1);
}

QVariant AnswerModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)  // over its texts or its figures
    return int((is_figure(section) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
  if (role != Qt::DisplayRole) return {};
  if (section == 0) return QStringLiteral("#");
  if (section == 1) return tr("question");
  if (section == 2) return tr("expected");
  const auto place = static_cast<std::size_t>((section - kFirstAnswer) / kOfAColumn);
  const auto& columns = comparison_.data().columns;
  if (place >= columns.size()) return {};
  const QString name = place == 0 ? tr("base") : QString::fromStdString(columns[place].name);
  if ((section - kFirstAnswer) % kOfAColumn == 0) return name;
  return name + QStringLiteral(" · ") +
         QString::fromStdString(score_name(measure_, document_words()));
}

AnswerFilter::AnswerFilter(AnswerModel& model, QObject* parent)
    : QSortFilterProxyModel(parent), model_(model) {
  setSourceModel(&model);
  setSortRole(AnswerModel::kSortRole);
  setSortCaseSensitivity(Qt::CaseInsensitive);
}

void AnswerFilter::set_which(Which which, std::size_t column) {
  which_ = which;
  column_ = column;
  invalidateFilter();
}

void AnswerFilter::set_text(const QString& text) {
  text_ = text;
  invalidateFilter();
}

bool AnswerFilter::filterAcceptsRow(int source_row, const QModelIndex&) const {
  const ComparisonRow& row = model_.comparison().data().rows[static_cast<std::size_t>(source_row)];
  const auto& answers = row.answers;
  const auto holds = [this](const std::string& text) {
    return QString::fromStdString(text).contains(text_, Qt::CaseInsensitive);
  };
  if (!text_.isEmpty() && !holds(row.sample.question()) &&
      !holds(row.sample.expected().value_or("")) &&
      std::none_of(answers.begin(), answers.end(),
                   [&](const ComparisonAnswer& answer) { return holds(answer.text); }))
    return false;
  const auto wrong = [](const ComparisonAnswer& answer) {
    return answer_is_right(answer) == false;
  };
  switch (which_) {
    case Which::All: return true;
    case Which::Unanswered:
      return std::any_of(answers.begin(), answers.end(),
                         [](const ComparisonAnswer& answer) { return !answer.whole(); });
    case Which::Wrong: return std::any_of(answers.begin(), answers.end(), wrong);
    case Which::OnlyWrong: {
      const auto count = std::count_if(answers.begin(), answers.end(), wrong);
      return column_ < answers.size() && count == 1 && wrong(answers[column_]);
    }
    case Which::Differs: {
      const ComparisonAnswer* first = nullptr;
      for (const ComparisonAnswer& answer : answers) {
        if (!answer.whole()) continue;
        if (first && first->text != answer.text) return true;
        first = &answer;
      }
      return false;
    }
  }
  return true;
}

AnswerTable::AnswerTable(LiveComparison& comparison, QWidget* parent)
    : QWidget(parent), comparison_(comparison) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(8, 8, 8, 8);
  layout->setSpacing(6);
  auto* head = new QHBoxLayout;
  which_ = new QComboBox(this);
  which_->setObjectName(QStringLiteral("tableFilter"));
  measure_ = new QComboBox(this);
  measure_->setObjectName(QStringLiteral("tableMeasure"));
  search_ = new QLineEdit(this);
  search_->setObjectName(QStringLiteral("tableSearch"));
  search_->setClearButtonEnabled(true);
  count_ = muted_label(this, 0.85);
  count_->setObjectName(QStringLiteral("tableCount"));
  count_->setWordWrap(false);
  head->addWidget(which_);
  head->addWidget(measure_);
  head->addWidget(search_, 1);
  head->addWidget(count_);
  layout->addLayout(head);
  model_ = new AnswerModel(comparison_, this);
  filter_ = new AnswerFilter(*model_, this);
  view_ = new QTableView(this);
  view_->setObjectName(QStringLiteral("answerTable"));
  view_->setModel(filter_);
  make_quiet(view_);
  view_->setShowGrid(false);
  view_->setSortingEnabled(true);
  view_->sortByColumn(0, Qt::AscendingOrder);
  view_->setSelectionBehavior(QAbstractItemView::SelectRows);
  view_->setWordWrap(false);
  view_->verticalHeader()->hide();
  view_->horizontalHeader()->setDefaultSectionSize(150);
  view_->setColumnWidth(0, 60);  // four figures, or the mark of the sorting
  make_copied(view_);
  layout->addWidget(view_, 1);
  timer_.setSingleShot(true);
  timer_.setInterval(kRefresh);
  connect(&timer_, &QTimer::timeout, this, [this] {
    model_->figures_grew();
    filter_->invalidate();
    apply();
  });
  const auto others = [this] {
    model_->refresh();
    view_->setColumnWidth(0, 60);
    fill_choices();
    apply();
  };
  connect(&comparison_, &LiveComparison::columns_changed, this, others);
  connect(&comparison_, &LiveComparison::samples_changed, this, others);
  const auto grew = [this] {
    if (isVisible() && !timer_.isActive()) timer_.start();
  };
  connect(&comparison_, &LiveComparison::answer_changed, this, grew);
  connect(&comparison_, &LiveComparison::running_changed, this, [this] { timer_.start(); });
  connect(which_, &QComboBox::currentIndexChanged, this, &AnswerTable::apply);
  connect(measure_, &QComboBox::currentIndexChanged, this,
          [this] { model_->set_measure(measure_->currentData().toString().toStdString()); });
  connect(search_, &QLineEdit::textChanged, this, [this](const QString& text) {
    filter_->set_text(text);
    apply();
  });
  connect(view_, &QTableView::activated, this, [this](const QModelIndex& index) {
    emit opened(static_cast<std::size_t>(filter_->mapToSource(index).row()));
  });
  on_language(this, [this] {
    which_->setAccessibleName(tr("Which samples"));
    measure_->setAccessibleName(tr("The measure beside each answer"));
    measure_->setToolTip(tr("The measure beside each answer; a click on its head sorts by it"));
    search_->setPlaceholderText(tr("Search questions and answers"));
    search_->setAccessibleName(tr("Search questions and answers"));
    view_->setAccessibleName(tr("All samples and answers"));
    view_->setToolTip(QString());
    fill_choices();
    model_->refresh();
    apply();
  });
}

/// What is chosen stays chosen as long as it is there.
void AnswerTable::fill_choices() {
  const QSignalBlocker quiet_which(which_), quiet_measure(measure_);
  const int before = std::max(0, which_->currentIndex());
  which_->clear();
  which_->addItem(tr("all samples"), int(AnswerFilter::Which::All));
  which_->addItem(tr("columns differ"), int(AnswerFilter::Which::Differs));
  which_->addItem(tr("any is wrong"), int(AnswerFilter::Which::Wrong));
  which_->addItem(tr("not all answered"), int(AnswerFilter::Which::Unanswered));
  const auto& columns = comparison_.data().columns;
  for (std::size_t i = 0; i < columns.size(); ++i)
    which_->addItem(
        tr("only %1 is wrong").arg(i == 0 ? tr("base") : QString::fromStdString(columns[i].name)),
        int(AnswerFilter::Which::OnlyWrong));
  which_->setCurrentIndex(before < which_->count() ? before : 0);
  const QString measure =
      measure_->count() > 0 ? measure_->currentData().toString() : QStringLiteral("exact");
  measure_->clear();
  std::vector<const char*> keys(kScoreKeys.begin(), kScoreKeys.end());
  keys.insert(keys.end(), kNumberKeys.begin(), kNumberKeys.end());
  for (const char* key : keys)
    measure_->addItem(QString::fromStdString(score_name(key, document_words())),
                      QString::fromLatin1(key));
  measure_->setCurrentIndex(std::max(0, measure_->findData(measure)));
}

void AnswerTable::apply() {
  constexpr int kFixed = 4;  // choices before those of each column
  const int chosen = std::max(0, which_->currentIndex());
  filter_->set_which(static_cast<AnswerFilter::Which>(which_->currentData().toInt()),
                     static_cast<std::size_t>(std::max(0, chosen - kFixed)));
  count_->setText(
      tr("%1 of %2 samples").arg(filter_->rowCount()).arg(comparison_.data().rows.size()));
}

}  // namespace luthier
