// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/likeness_window.h"

#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/lab/matrix_view.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr QSize kLikenessSize(1000, 660);
constexpr int kThumbSide = 48;
enum Way { kOfRows, kOfOwn };
enum LikenessColumn { kPicture, kLikeliest, kShare, kRight, kLikenessColumns };

QString file_name(const std::filesystem::path& path) {
  return QFileInfo(path_text(path)).fileName();
}

}  // namespace

LikenessWindow* LikenessWindow::of(Workspace& workspace, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<LikenessWindow*>()) return there;
  return new LikenessWindow(workspace, window);
}

LikenessWindow::LikenessWindow(Workspace& workspace, QWidget* owner)
    : QDialog(owner), workspace_(workspace) {
  setObjectName(QStringLiteral("likenessWindow"));
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(make_head());
  asked_ = new QStackedWidget(this);
  asked_->addWidget(make_rows());
  asked_->addWidget(make_own());
  asked_->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  layout->addWidget(asked_);
  note_ = text_label(this, true);
  note_->setObjectName(QStringLiteral("likenessNote"));
  note_->hide();
  layout->addWidget(note_);
  layout->addWidget(make_found(), 1);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::likeness_found, this, &LikenessWindow::show_found);
  connect(&bridge, &SessionBridge::request_done, this, &LikenessWindow::end);
  connect(&bridge, &SessionBridge::state_changed, this, &LikenessWindow::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &LikenessWindow::refresh);
  connect(&workspace_, &Workspace::adapters_changed, this, &LikenessWindow::list_columns);
  connect(way_, &QComboBox::activated, this, [this](int way) {
    asked_->setCurrentIndex(way);
    refresh();
  });
  on_language(this, [this] { retranslate(); });
  resize(kLikenessSize);
}

QWidget* LikenessWindow::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  way_ = new QComboBox(head);
  way_->setObjectName(QStringLiteral("likenessWay"));
  way_->addItems({QString(), QString()});
  column_label_ = new QLabel(head);
  column_ = new QComboBox(head);
  column_->setObjectName(QStringLiteral("likenessColumn"));
  column_label_->setBuddy(column_);
  measure_ = new QPushButton(head);
  measure_->setObjectName(QStringLiteral("likenessMeasure"));
  measure_->setDefault(true);
  row->addWidget(way_);
  row->addSpacing(12);
  row->addWidget(column_label_);
  row->addWidget(column_);
  row->addStretch(1);
  row->addWidget(measure_);
  connect(measure_, &QPushButton::clicked, this, &LikenessWindow::measure);
  return head;
}

QWidget* LikenessWindow::make_rows() {
  auto* page = new QWidget(this);
  auto* row = new QHBoxLayout(page);
  row->setContentsMargins(0, 0, 0, 0);
  rows_label_ = new QLabel(page);
  rows_ = new QLineEdit(page);
  rows_->setObjectName(QStringLiteral("likenessRows"));
  rows_label_->setBuddy(rows_);
  choose_rows_ = new QPushButton(page);
  row->addWidget(rows_label_);
  row->addWidget(rows_, 1);
  row->addWidget(choose_rows_);
  connect(choose_rows_, &QPushButton::clicked, this, &LikenessWindow::choose_rows);
  connect(rows_, &QLineEdit::textChanged, this, &LikenessWindow::refresh);
  return page;
}

QWidget* LikenessWindow::make_own() {
  auto* page = new QWidget(this);
  auto* across = new QHBoxLayout(page);
  across->setContentsMargins(0, 0, 0, 0);
  auto* left = new QVBoxLayout;
  choose_pictures_ = new QPushButton(page);
  chosen_ = muted_label(page);
  pattern_label_ = new QLabel(page);
  pattern_ = new QLineEdit(QStringLiteral("a photo of a {}"), page);
  pattern_->setObjectName(QStringLiteral("likenessPattern"));
  pattern_label_->setBuddy(pattern_);
  for (QWidget* each :
       std::initializer_list<QWidget*>{choose_pictures_, chosen_, pattern_label_, pattern_})
    left->addWidget(each);
  left->addStretch(1);
  auto* right = new QVBoxLayout;
  texts_label_ = new QLabel(page);
  texts_ = new QPlainTextEdit(page);
  texts_->setObjectName(QStringLiteral("likenessTexts"));
  texts_->setMaximumHeight(110);
  texts_->setTabChangesFocus(true);
  texts_label_->setBuddy(texts_);
  right->addWidget(texts_label_);
  right->addWidget(texts_);
  across->addLayout(left, 2);
  across->addLayout(right, 3);
  connect(choose_pictures_, &QPushButton::clicked, this, [this] {
    const QStringList files = QFileDialog::getOpenFileNames(
        this, tr("Pictures"), {}, tr("Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp)"));
    if (!files.isEmpty()) set_pictures(files);
  });
  connect(texts_, &QPlainTextEdit::textChanged, this, &LikenessWindow::refresh);
  return page;
}

QWidget* LikenessWindow::make_found() {
  auto* card = new Card(this);
  recall_ = text_label(card, true);
  recall_->setObjectName(QStringLiteral("likenessRecall"));
  card->body()->addWidget(recall_);
  auto* across = new QHBoxLayout;
  matrix_ = new MatrixView(card);
  matrix_->setObjectName(QStringLiteral("likenessMatrix"));
  matrix_->set_tips([this](std::int64_t picture, std::int64_t text) {
    const PicturesAndTexts& given = found_->table.given;
    return tr("%1 · “%2”")
        .arg(file_name(given.pictures[static_cast<std::size_t>(picture)]),
             QString::fromStdString(given.texts[static_cast<std::size_t>(text)]));
  });
  table_ = new QTableWidget(0, kLikenessColumns, card);
  table_->setObjectName(QStringLiteral("likenessTable"));
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setIconSize(QSize(kThumbSide, kThumbSide));
  table_->verticalHeader()->hide();
  table_->horizontalHeader()->setSectionResizeMode(kPicture, QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setSectionResizeMode(kLikeliest, QHeaderView::Stretch);
  across->addWidget(matrix_, 1);
  across->addWidget(table_, 1);
  card->body()->addLayout(across, 1);
  return card;
}

void LikenessWindow::open_here() {
  if (rows_->text().isEmpty()) {
    const Recipe& recipe = workspace_.recipe();
    const auto& files = recipe.eval_dataset.empty() ? recipe.dataset : recipe.eval_dataset;
    if (!files.empty()) rows_->setText(QString::fromStdString(files.front()));
  }
  list_columns();
  show();
  raise();
  activateWindow();
  refresh();
  measure_->setFocus();
}

void LikenessWindow::set_pictures(const QStringList& files) {
  pictures_ = files;
  refresh();
}

void LikenessWindow::choose_rows() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Rows of a picture and its text"), rows_->text(), tr("Rows (*.jsonl *.json *.csv)"));
  if (!file.isEmpty()) rows_->setText(file);
}

void LikenessWindow::measure() {
  if (request_ != 0 || !measure_->isEnabled()) return;
  LikenessRequest asked;
  if (column_->currentIndex() > 0) asked.column = column_->currentData().toString().toStdString();
  if (way_->currentIndex() == kOfRows) {
    asked.rows = {to_path(rows_->text())};
    asked.image_folder = workspace_.recipe().image_folder;
  } else {
    const QString pattern = pattern_->text();
    if (!pattern.contains(QLatin1String("{}")))
      return say(tr("The pattern has no {}, where each text is put."), true);
    for (const QString& picture : pictures_) asked.given.pictures.push_back(to_path(picture));
    for (QString text : texts_->toPlainText().split(QLatin1Char('\n'), Qt::SkipEmptyParts)) {
      text = text.trimmed();
      if (!text.isEmpty())
        asked.given.texts.push_back(
            QString(pattern).replace(QLatin1String("{}"), text).toStdString());
    }
  }
  request_ = workspace_.session().find_likeness(std::move(asked));
  say(tr("Pictures and texts go through their towers…"));
  refresh();
}

void LikenessWindow::show_found(const LikenessFound& event) {
  if (event.request != request_) return;
  found_ = event;
  say({});
  const LikenessTable& table = found_->table;
  ShownMatrix matrix;
  matrix.rows = matrix.cell_rows = static_cast<std::int64_t>(table.given.pictures.size());
  matrix.columns = matrix.cell_columns = static_cast<std::int64_t>(table.given.texts.size());
  matrix.cells = table.probabilities;
  for (const float value : matrix.cells)
    matrix.norm += static_cast<double>(value) * static_cast<double>(value);
  matrix.norm = std::sqrt(matrix.norm);
  matrix_->set_matrix(tr("Pictures by texts"), matrix, 1);
  recall_->setText(recall_words(table, found_->left_out));
  show_pictures();
}

void LikenessWindow::show_pictures() {
  const LikenessTable& table = found_->table;
  const std::size_t texts = table.given.texts.size();
  const QSignalBlocker quiet(table_);
  table_->setRowCount(0);
  table_->setRowCount(static_cast<int>(table.given.pictures.size()));
  table_->setColumnHidden(kRight, table.given.picture_of.empty());
  for (std::size_t picture = 0; picture < table.given.pictures.size(); ++picture) {
    const auto first = table.probabilities.begin() + static_cast<std::ptrdiff_t>(picture * texts);
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(texts));
    const auto text = static_cast<std::size_t>(best - first);
    const int row = static_cast<int>(picture);
    auto* name = new QTableWidgetItem(file_name(table.given.pictures[picture]));
    table_->setItem(row, kPicture, name);
    table_->setItem(row, kLikeliest,
                    new QTableWidgetItem(QString::fromStdString(table.given.texts[text])));
    table_->setItem(row, kShare, new QTableWidgetItem(percent_text(static_cast<double>(*best), 1)));
    if (!table.given.picture_of.empty())
      table_->setItem(
          row, kRight,
          new QTableWidgetItem(table.given.picture_of[text] == picture ? tr("yes") : tr("no")));
    table_->setRowHeight(row, kThumbSide + 6);
    load_picture(path_text(table.given.pictures[picture]), kThumbSide, table_,
                 [this, row, request = found_->request](const QImage& image, const QString&) {
                   if (!found_ || found_->request != request || image.isNull()) return;
                   table_->item(row, kPicture)->setIcon(QIcon(QPixmap::fromImage(image)));
                 });
  }
}

QString LikenessWindow::recall_words(const LikenessTable& table, std::size_t left_out) const {
  QStringList lines;
  const auto way = [&](const QString& name, const Recall& recall) {
    QStringList at;
    for (std::size_t i = 0; i < recall.at.size(); ++i)
      at << tr("among %1: %2").arg(table.recalls.ks[i]).arg(percent_text(recall.at[i], 1));
    lines << tr("%1  %2 · median rank %3")
                 .arg(name, at.join(QStringLiteral(" · ")), number_text(recall.median_rank, 3));
  };
  if (!table.recalls.ks.empty()) {
    way(tr("Texts find their picture"), table.recalls.text_to_image);
    way(tr("Pictures find a text of theirs"), table.recalls.image_to_text);
  }
  lines << (table.pairwise
                ? tr("Each cell is the probability that the pair belongs together, by itself.")
                : tr("Each line of the matrix is a picture and shares one among all texts."));
  if (left_out > 0) lines << tr("The first rows of the file; %1 more were left out.").arg(left_out);
  return lines.join(QLatin1Char('\n'));
}

void LikenessWindow::end(const RequestDone& event) {
  if (event.request != request_ || request_ == 0) return;
  request_ = 0;
  if (event.error) say(error_text(*event.error), true);
  refresh();
}

void LikenessWindow::say(const QString& text, bool wrong) {
  note_->setText(text);
  note_->setVisible(!text.isEmpty());
  set_ink(note_, wrong ? Ink::Error : Ink::Text);
}

void LikenessWindow::list_columns() {
  const QString before = column_->currentData().toString();
  const QSignalBlocker quiet(column_);
  column_->clear();
  column_->addItem(tr("The base"), QString());
  for (const AttachedAdapter& each : workspace_.adapters())
    column_->addItem(QString::fromStdString(each.name), QString::fromStdString(each.name));
  column_->setCurrentIndex(std::max(0, column_->findData(before)));
}

void LikenessWindow::refresh() {
  const bool ready = workspace_.model() && workspace_.state() == SessionState::Ready;
  const bool rows = way_->currentIndex() == kOfRows;
  const bool given = rows ? !rows_->text().isEmpty()
                          : !pictures_.isEmpty() && !texts_->toPlainText().trimmed().isEmpty();
  measure_->setEnabled(ready && given && request_ == 0);
  measure_->setToolTip(!workspace_.model() ? tr("A model must be loaded first")
                       : !ready ? tr("Not now: %1").arg(state_text(state_name(workspace_.state())))
                       : given  ? QString()
                       : rows   ? tr("Choose a file of rows first")
                                : tr("Choose pictures and write texts first"));
  chosen_->setText(tr("%n pictures", nullptr, static_cast<int>(pictures_.size())));
}

void LikenessWindow::retranslate() {
  setWindowTitle(tr("Pictures and texts"));
  way_->setItemText(kOfRows, tr("Rows of a file"));
  way_->setItemText(kOfOwn, tr("My pictures and texts"));
  way_->setAccessibleName(tr("What is compared"));
  column_label_->setText(tr("&By"));
  column_->setAccessibleName(tr("By"));
  rows_->setAccessibleName(tr("Rows"));
  pattern_->setAccessibleName(tr("Each text stands in"));
  texts_->setAccessibleName(tr("Texts, one a line"));
  table_->setAccessibleName(tr("Pictures"));
  rows_label_->setText(tr("&Rows"));
  choose_rows_->setText(tr("&Choose…"));
  choose_pictures_->setText(tr("Choose &pictures…"));
  pattern_label_->setText(tr("Each text stands &in"));
  texts_label_->setText(tr("&Texts, one a line"));
  measure_->setText(tr("&Measure"));
  table_->setHorizontalHeaderLabels(
      {tr("Picture"), tr("Likeliest text"), tr("Share"), tr("Its own")});
  list_columns();
  if (found_) recall_->setText(recall_words(found_->table, found_->left_out));
  refresh();
}

}  // namespace luthier
