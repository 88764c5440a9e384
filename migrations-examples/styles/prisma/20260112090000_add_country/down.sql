ALTER TABLE "Customer" DROP COLUMN "country";
